"""Keys, encryption, pairing codes and device secrets."""
