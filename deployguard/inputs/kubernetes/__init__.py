"""Kubernetes manifests, objects of a cluster and admission requests, as container specs."""
