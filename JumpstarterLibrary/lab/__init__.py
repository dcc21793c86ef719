"""The lab: configurations, the controller, leases, and the tunnel to a leased exporter (protocol §6-§8)."""
