"""What a protocol fixes before the first reader begins. Imports neither models nor statistics."""
