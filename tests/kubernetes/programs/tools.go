// Package kubernetes names the programs that the tests build: a control plane of their own.
package kubernetes

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
