package main

import (
	"testing"

	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	volumetest "k8s.io/kubernetes/pkg/volume/testing"
)

func newHost(folder string, client clientset.Interface) volume.VolumeHost {
	return volumetest.NewFakeKubeletVolumeHost(&testing.T{}, folder, client, emptydir.ProbeVolumePlugins())
}
