"""Auth methods: each proves who somebody is, and ends in a token."""
