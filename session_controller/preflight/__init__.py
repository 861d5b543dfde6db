"""The checks that `serve`, `doctor`, `status` and `/readyz` share."""
