"""Who may reach the server: addresses, keys, hosts and origins."""
