"""How a box is found on its network without DNS: mDNS (RFC 6762) and DNS-SD (RFC 6763)."""
