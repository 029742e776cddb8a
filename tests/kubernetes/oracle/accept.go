package main

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/podtemplate"
	"k8s.io/kubernetes/pkg/registry/core/replicationcontroller"
	"k8s.io/kubernetes/pkg/registry/core/secret"
)

var strategies = map[string]rest.RESTCreateStrategy{
	"Pod": pod.Strategy, "PodTemplate": podtemplate.Strategy, "ConfigMap": configmap.Strategy,
	"Secret": secret.Strategy, "ReplicationController": replicationcontroller.Strategy,
	"Deployment": deployment.Strategy, "StatefulSet": statefulset.Strategy,
	"DaemonSet": daemonset.Strategy, "ReplicaSet": replicaset.Strategy,
	"Job": job.Strategy, "CronJob": cronjob.Strategy,
}

// accept decodes what kubectl sends as the API server does, fills in the defaults and validates it;
// what it refuses is said, the rest returned as the objects of its version.
func accept(documents []json.RawMessage, found *answer) []runtime.Object {
	var accepted []runtime.Object
	scheme := legacyscheme.Scheme
	lax := jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, scheme, scheme, jsonserializer.SerializerOptions{})
	strict := jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, scheme, scheme, jsonserializer.SerializerOptions{Strict: true})
	for _, document := range documents {
		object, kind, err := lax.Decode(document, nil, nil)
		if err != nil {
			found.Refused = append(found.Refused, err.Error())
			continue
		}
		if _, _, err := strict.Decode(document, nil, nil); err != nil {
			found.Refused = append(found.Refused, "strict: "+err.Error())
		}
		scheme.Default(object)
		if err := validated(object, kind); err != nil {
			found.Refused = append(found.Refused, err.Error())
			continue
		}
		accepted = append(accepted, object)
	}
	return accepted
}

func validated(object runtime.Object, kind *schema.GroupVersionKind) error {
	strategy, known := strategies[kind.Kind]
	if !known {
		return nil
	}
	internal, err := legacyscheme.Scheme.ConvertToVersion(object.DeepCopyObject(), schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return err
	}
	metadata, err := meta.Accessor(internal)
	if err != nil {
		return err
	}
	rest.FillObjectMetaSystemFields(metadata)
	if metadata.GetNamespace() == "" {
		metadata.SetNamespace(metav1.NamespaceDefault)
	}
	if metadata.GetName() == "" && metadata.GetGenerateName() != "" {
		metadata.SetName(metadata.GetGenerateName() + "abcde")
	}
	ctx := genericrequest.WithNamespace(context.Background(), metadata.GetNamespace())
	ctx = genericrequest.WithRequestInfo(ctx, &genericrequest.RequestInfo{APIGroup: kind.Group, APIVersion: kind.Version})
	if err := rest.BeforeCreate(strategy, ctx, internal); err != nil {
		return fmt.Errorf("%w", err)
	}
	return nil
}
