storage "sqlite" {
  path = "/var/lib/strongroom"
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/etc/strongroom/tls/tls.crt"
  tls_key_file  = "/etc/strongroom/tls/tls.key"
}

# The restricted profile gives no right to lock memory; let the nodes run without swap.
disable_mlock = true
