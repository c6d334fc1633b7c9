"""The API server: REST in front, Redis behind, the bus beside."""
