{{- /* What Airflow's pods have in common. */ -}}

{{- define "mlcycle.url" -}}
{{- $context := first . -}}
{{- $what := last . -}}
{{- $host := get $context.Values.ingress.hosts $what -}}
{{- if get $context.Values.urls $what -}}
{{ get $context.Values.urls $what }}
{{- else if and $context.Values.ingress.enabled $host -}}
{{ ternary "https" "http" $context.Values.ingress.tls.enabled }}://{{ $host }}
{{- else -}}
http://localhost:{{ get (dict "airflow" "8080" "mlflow" "5000" "evidently" "8000") $what }}
{{- end -}}
{{- end -}}

{{- define "mlcycle.storeUrl" -}}
{{- if eq .Values.store.mode "trial" }}s3://mlcycle/artifacts{{ else }}{{ required "store.url: where artifacts lie, such as s3://bucket/mlcycle" .Values.store.url }}{{ end -}}
{{- end -}}

{{- /* Where the object store is, as every S3 client reads it: a ConfigMap's data. */ -}}
{{- define "mlcycle.storeSettings" -}}
AWS_DEFAULT_REGION: {{ .Values.store.region | quote }}
AWS_REGION: {{ .Values.store.region | quote }}
{{- $endpoint := ternary (printf "http://%s:5000" (include "mlcycle.host" (list . "store"))) .Values.store.endpoint (eq .Values.store.mode "trial") }}
{{- with $endpoint }}
AWS_ENDPOINT_URL: {{ . | quote }}
MLFLOW_S3_ENDPOINT_URL: {{ . | quote }}
{{- end }}
{{- end -}}

{{- /* Changes of settings and of the chart's own Secrets roll the pods. */ -}}
{{- define "mlcycle.airflowChecksums" -}}
checksum/settings: {{ include (print $.Template.BasePath "/airflow/settings.yaml") . | sha256sum }}
{{- if eq .Values.secrets.mode "generated" }}
checksum/secrets: {{ include "mlcycle.secretData" . | sha256sum }}
{{- end }}
{{- end -}}

{{- define "mlcycle.airflowEnv" -}}
envFrom:
  - configMapRef: {name: {{ include "mlcycle.name" (list . "airflow") }}}
env:
  - {name: MLCYCLE_SECRETS_FOLDER, value: /run/secrets/mlcycle}
  - {name: HOME, value: /tmp}
{{- end -}}

{{- /* Waits until the databases are as this image needs them. */ -}}
{{- define "mlcycle.waitForDatabases" -}}
- name: wait-for-databases
  {{- include "mlcycle.imageLines" (list . "airflow") | nindent 2 }}
  args: [mlcycle, prepare, --wait]
  {{- include "mlcycle.airflowEnv" . | nindent 2 }}
  {{- include "mlcycle.container" . | nindent 2 }}
  resources: {requests: {cpu: 50m, memory: 128Mi}, limits: {memory: 512Mi}}
  volumeMounts:
    - {name: secrets, mountPath: /run/secrets/mlcycle, readOnly: true}
    - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "mlcycle.airflowMounts" -}}
- {name: secrets, mountPath: /run/secrets/mlcycle, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: logs, mountPath: /opt/airflow/logs}
{{- if .Values.dags.gitSync.enabled }}
- {name: git, mountPath: /opt/airflow/git, readOnly: true}
{{- end }}
{{- end -}}

{{- /* Keys that all of Airflow's processes need. */ -}}
{{- define "mlcycle.airflowKeys" -}}
AIRFLOW__CORE__FERNET_KEY AIRFLOW__API__SECRET_KEY AIRFLOW__API_AUTH__JWT_SECRET AIRFLOW__DATABASE__SQL_ALCHEMY_CONN MLCYCLE_DSN_SERVE
{{- with include "mlcycle.storeKeys" . }} {{ . }}{{ end -}}
{{- end -}}
