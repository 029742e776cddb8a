package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unsafe"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/kubernetes/pkg/kubelet"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
)

type container struct {
	Error   string            `json:"error,omitempty"`
	Env     map[string]string `json:"env"`
	Command []string          `json:"command"`
	Args    []string          `json:"args"`
	Paths   map[string]string `json:"paths,omitempty"`
}

type volumes struct {
	Error string            `json:"error,omitempty"`
	Files map[string]string `json:"files"`
}

//go:linkname makeEnvironmentVariables k8s.io/kubernetes/pkg/kubelet.(*Kubelet).makeEnvironmentVariables
func makeEnvironmentVariables(kl *kubelet.Kubelet, pod *v1.Pod, container *v1.Container, podIP string, podIPs []string, podVolumes kubecontainer.VolumeMap) ([]kubecontainer.EnvVar, error)

type services []*v1.Service

func (s services) List(labels.Selector) ([]*v1.Service, error) { return s, nil }

type configMaps []*v1.ConfigMap

func (c configMaps) GetConfigMap(namespace, name string) (*v1.ConfigMap, error) {
	for _, one := range c {
		if one.Namespace == namespace && one.Name == name {
			return one, nil
		}
	}
	return nil, apierrors.NewNotFound(v1.Resource("configmaps"), name)
}
func (configMaps) RegisterPod(*v1.Pod)   {}
func (configMaps) UnregisterPod(*v1.Pod) {}

type secrets []*v1.Secret

func (s secrets) GetSecret(namespace, name string) (*v1.Secret, error) {
	for _, one := range s {
		if one.Namespace == namespace && one.Name == name {
			return one, nil
		}
	}
	return nil, apierrors.NewNotFound(v1.Resource("secrets"), name)
}
func (secrets) RegisterPod(*v1.Pod)   {}
func (secrets) UnregisterPod(*v1.Pod) {}

func set(kl *kubelet.Kubelet, field string, value any) {
	place := reflect.ValueOf(kl).Elem().FieldByName(field)
	reflect.NewAt(place.Type(), unsafe.Pointer(place.UnsafeAddr())).Elem().Set(reflect.ValueOf(value))
}

// run lets the kubelet's own functions make the environment, the words and the files of each Pod.
func run(objects []runtime.Object, found *answer) {
	var pods []*v1.Pod
	var known services
	var maps configMaps
	var hidden secrets
	for _, object := range objects {
		if accessor, ok := object.(metav1.Object); ok && accessor.GetNamespace() == "" {
			accessor.SetNamespace(metav1.NamespaceDefault)
		}
		switch one := object.(type) {
		case *v1.Pod:
			one.UID = types.UID("uid-" + one.Name)
			pods = append(pods, one)
		case *v1.Service:
			known = append(known, one)
		case *v1.ConfigMap:
			maps = append(maps, one)
		case *v1.Secret:
			for key, value := range one.StringData {
				if one.Data == nil {
					one.Data = map[string][]byte{}
				}
				one.Data[key] = []byte(value)
			}
			hidden = append(hidden, one)
		}
	}
	kl := &kubelet.Kubelet{}
	client := fake.NewSimpleClientset()
	set(kl, "kubeClient", client)
	set(kl, "serviceLister", known)
	set(kl, "serviceHasSynced", reflect.ValueOf(func() bool { return true }).Convert(fieldType(kl, "serviceHasSynced")).Interface())
	set(kl, "configMapManager", maps)
	set(kl, "secretManager", hidden)
	found.Pods = map[string]map[string]container{}
	found.Volumes = map[string]map[string]volumes{}
	for _, pod := range pods {
		made := map[string]container{}
		for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				made[list[i].Name] = started(kl, pod, &list[i])
			}
		}
		found.Pods[pod.Name] = made
		found.Volumes[pod.Name] = map[string]volumes{}
		for i := range pod.Spec.Volumes {
			one := &pod.Spec.Volumes[i]
			if files, ok := written(pod, one, maps, hidden); ok {
				found.Volumes[pod.Name][one.Name] = files
			}
		}
	}
}

func fieldType(kl *kubelet.Kubelet, field string) reflect.Type {
	return reflect.ValueOf(kl).Elem().FieldByName(field).Type()
}

func started(kl *kubelet.Kubelet, pod *v1.Pod, one *v1.Container) container {
	envs, err := makeEnvironmentVariables(kl, pod, one, "192.0.2.7", []string{"192.0.2.7"}, kubecontainer.VolumeMap{})
	if err != nil {
		return container{Error: err.Error()}
	}
	result := container{Env: map[string]string{}, Paths: map[string]string{}}
	for _, env := range envs {
		result.Env[env.Name] = env.Value
	}
	result.Command, result.Args = kubecontainer.ExpandContainerCommandAndArgs(one, envs)
	for _, mount := range one.VolumeMounts {
		if mount.SubPathExpr == "" {
			continue
		}
		path, err := kubecontainer.ExpandContainerVolumeMounts(mount, envs)
		if err != nil {
			path = "error: " + err.Error()
		}
		result.Paths[mount.MountPath] = path
	}
	return result
}

// written lets the volume plugin set up a volume in a folder of its own, and reads what lies there.
func written(pod *v1.Pod, one *v1.Volume, maps configMaps, hidden secrets) (volumes, bool) {
	var plugins []volume.VolumePlugin
	switch {
	case one.ConfigMap != nil:
		plugins = configmap.ProbeVolumePlugins()
	case one.Secret != nil:
		plugins = secret.ProbeVolumePlugins()
	case one.Projected != nil:
		plugins = projected.ProbeVolumePlugins()
	case one.DownwardAPI != nil:
		plugins = downwardapi.ProbeVolumePlugins()
	default:
		return volumes{}, false
	}
	folder, err := os.MkdirTemp("", "oracle")
	if err != nil {
		return volumes{Error: err.Error()}, true
	}
	defer os.RemoveAll(folder)
	var held []runtime.Object
	for _, one := range maps {
		held = append(held, one)
	}
	for _, one := range hidden {
		held = append(held, one)
	}
	host := newHost(folder, fake.NewSimpleClientset(held...))
	plugin := plugins[0]
	if err := plugin.Init(host); err != nil {
		return volumes{Error: err.Error()}, true
	}
	mounter, err := plugin.NewMounter(volume.NewSpecFromVolume(one), pod)
	if err != nil {
		return volumes{Error: err.Error()}, true
	}
	if err := mounter.SetUp(volume.MounterArgs{}); err != nil {
		return volumes{Error: strings.ReplaceAll(err.Error(), folder, "")}, true
	}
	files := map[string]string{}
	root := mounter.GetPath()
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if strings.HasPrefix(name, "..") {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		return collect(path, name, files)
	})
	if err != nil {
		return volumes{Error: err.Error()}, true
	}
	return volumes{Files: files}, true
}

func collect(path, name string, files map[string]string) error {
	status, err := os.Stat(path)
	if err != nil {
		return err
	}
	if status.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil || name == "." {
			return err
		}
		for _, entry := range entries {
			if err := collect(filepath.Join(path, entry.Name()), name+"/"+entry.Name(), files); err != nil {
				return err
			}
		}
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files[name] = fmt.Sprintf("%04o ", status.Mode().Perm()) + string(data)
	return nil
}
