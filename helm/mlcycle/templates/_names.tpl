{{- /* Names and labels. */ -}}

{{- define "mlcycle.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains "mlcycle" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-mlcycle" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- /* mlcycle.name: list context part -> the name of a part's objects. */ -}}
{{- define "mlcycle.name" -}}
{{ include "mlcycle.fullname" (first .) }}-{{ last . }}
{{- end -}}

{{- define "mlcycle.stepsNamespace" -}}
{{ .Values.steps.namespace | default (printf "%s-steps" (include "mlcycle.fullname" .)) }}
{{- end -}}

{{- define "mlcycle.checkpointsClaim" -}}
{{ .Values.steps.checkpoints.existingClaim | default (include "mlcycle.name" (list . "checkpoints")) }}
{{- end -}}

{{- define "mlcycle.secretName" -}}
{{ .Values.secrets.name | default (include "mlcycle.fullname" .) }}
{{- end -}}

{{- define "mlcycle.stepsSecretName" -}}
{{ .Values.secrets.stepsName | default (printf "%s-steps" (include "mlcycle.fullname" .)) }}
{{- end -}}

{{- /* A Service's name as pods of every namespace reach it: list context part. */ -}}
{{- define "mlcycle.host" -}}
{{ include "mlcycle.name" . }}.{{ (first .).Release.Namespace }}.svc
{{- end -}}

{{- define "mlcycle.selector" -}}
app.kubernetes.io/name: mlcycle
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{- define "mlcycle.labels" -}}
{{ include "mlcycle.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (first .).Chart.Name (first .).Chart.Version }}
{{- end -}}
