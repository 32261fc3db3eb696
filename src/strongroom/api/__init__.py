"""The wire vocabulary: field types, routes, requests and answers. No I/O happens here."""
