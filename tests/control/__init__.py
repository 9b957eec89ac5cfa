"""The rules of KEDA's and the HPA's loops."""
