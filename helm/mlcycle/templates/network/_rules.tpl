{{- /* Pieces of NetworkPolicies. */ -}}

{{- /* mlcycle.policy: dict context name namespace selector ingress egress (YAML texts) -> a whole policy. */ -}}
{{- define "mlcycle.policy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "mlcycle.name" (list .context .name) }}
  namespace: {{ .namespace }}
  labels: {{ include "mlcycle.labels" (list .context "network") | nindent 4 }}
spec:
  podSelector: {{ .selector | nindent 4 }}
  policyTypes: [Ingress, Egress]
{{- with trim .ingress }}
  ingress: {{ . | nindent 4 }}
{{- end }}
{{- with trim .egress }}
  egress: {{ . | nindent 4 }}
{{- end }}
{{- end -}}

{{- /* mlcycle.part: list context part -> a peer: the pods of a part. */ -}}
{{- define "mlcycle.part" -}}
podSelector: {matchLabels: {app.kubernetes.io/name: mlcycle, app.kubernetes.io/instance: {{ (first .).Release.Name }}, app.kubernetes.io/component: {{ last . }}}}
{{- end -}}

{{- /* mlcycle.partAway: the same, as pods of other namespaces say it. */ -}}
{{- define "mlcycle.partAway" -}}
{{ include "mlcycle.part" . }}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ (first .).Release.Namespace }}}}
{{- end -}}

{{- /* The steps, as a peer. */ -}}
{{- define "mlcycle.stepsPeer" -}}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ include "mlcycle.stepsNamespace" . }}}}
podSelector: {}
{{- end -}}

{{- /* mlcycle.toPart: list context part port -> an egress rule. */ -}}
{{- define "mlcycle.toPart" }}
- to:
    - {{- include "mlcycle.partAway" (list (index . 0) (index . 1)) | nindent 6 }}
  ports: [{port: {{ index . 2 }}, protocol: TCP}]
{{- end -}}

{{- /* To the database and the store, wherever they are. */ -}}
{{- define "mlcycle.toDatabase" }}
{{- if eq .Values.database.mode "external" }}
{{ toYaml .Values.networkPolicy.database }}
{{- else }}
{{- include "mlcycle.toPart" (list . "postgres" 5432) }}
{{- end }}
{{- end -}}
{{- define "mlcycle.toStore" }}
{{- if eq .Values.store.mode "external" }}
{{ toYaml .Values.networkPolicy.store }}
{{- else }}
{{- include "mlcycle.toPart" (list . "store" 5000) }}
{{- end }}
{{- end -}}

{{- /* mlcycle.fromParts: dict context parts port steps (also from steps) people (also from who may come in). */ -}}
{{- define "mlcycle.fromParts" }}
- from:
{{- range .parts }}
    - {{- include "mlcycle.part" (list $.context .) | nindent 6 }}
{{- end }}
{{- if .steps }}
    - {{- include "mlcycle.stepsPeer" .context | nindent 6 }}
{{- end }}
  ports: [{port: {{ .port }}, protocol: TCP}]
{{- end -}}

{{- /* mlcycle.fromPeople: list context port... */ -}}
{{- define "mlcycle.fromPeople" }}
- ports:
{{- range rest . }}
    - {port: {{ . }}, protocol: TCP}
{{- end }}
{{- with (first .).Values.networkPolicy.ingress }}
  from: {{ toYaml . | nindent 4 }}
{{- end }}
{{- end -}}
