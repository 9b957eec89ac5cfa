"""The rules of KEDA's and the HPA's control loops, as pure functions on plain values."""
