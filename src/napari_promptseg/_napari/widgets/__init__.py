"""Qt widgets and dialogs: they show values and emit signals, and hold no session."""
