"""The commands that train the shipped networks and write their cards."""
