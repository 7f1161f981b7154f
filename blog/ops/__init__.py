"""Operations: backup, restore, integrity check, health checks and the metrics endpoint."""
