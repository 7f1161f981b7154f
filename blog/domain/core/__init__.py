"""What every feature needs: the context of a call, permissions, events, audit log, signing and storage."""
