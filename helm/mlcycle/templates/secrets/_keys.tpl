{{- /* Keys of the Secret in the release's namespace, in every mode. docs/deploy.md says what each is. */ -}}
{{- define "mlcycle.platformKeys" -}}
AIRFLOW__CORE__FERNET_KEY AIRFLOW__API__SECRET_KEY AIRFLOW__API_AUTH__JWT_SECRET AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
{{- " " }}MLCYCLE_DSN_OWNER MLCYCLE_DSN_INGEST MLCYCLE_DSN_TRAIN MLCYCLE_DSN_PROMOTE MLCYCLE_DSN_SERVE MLCYCLE_DSN_KEEP
{{- " " }}MLFLOW_BACKEND_STORE_URI EVIDENTLY_DATABASE_URL MLCYCLE_EVIDENTLY_SECRET MLCYCLE_AIRFLOW_PASSWORDS gate-users
{{- if and .Values.metrics.enabled (not .Values.metrics.secret.name) }} {{ .Values.metrics.secret.key }}{{ end -}}
{{- end -}}

{{- /* Where the token of the metrics lies. */ -}}
{{- define "mlcycle.metricsSecret" -}}
{{ .Values.metrics.secret.name | default (include "mlcycle.secretName" .) }}
{{- end -}}
