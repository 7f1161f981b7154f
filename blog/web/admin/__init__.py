"""Pages for owners: dashboard, members, invitations, audit log and site preferences."""
