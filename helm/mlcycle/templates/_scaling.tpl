{{- /* mlcycle.autoscaler: list context part replicas autoscaling. */ -}}
{{- define "mlcycle.autoscaler" -}}
{{- $context := index . 0 -}}
{{- $me := list $context (index . 1) -}}
{{- $scaling := index . 3 -}}
{{- if $scaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "mlcycle.name" $me }}
  namespace: {{ $context.Release.Namespace }}
  labels: {{ include "mlcycle.labels" $me | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "mlcycle.name" $me }}}
  minReplicas: {{ index . 2 }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $scaling.cpu }}}}
{{- end }}
{{- end -}}

{{- /* mlcycle.disruption: list context part. One at a time where there are several; a single pod may be moved, or no
       node could ever be drained. */ -}}
{{- define "mlcycle.disruption" }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "mlcycle.name" . }}
  namespace: {{ (first .).Release.Namespace }}
  labels: {{ include "mlcycle.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{ include "mlcycle.selector" . | nindent 6 }}
{{- end -}}
