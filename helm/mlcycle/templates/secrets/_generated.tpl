{{- /* Secrets that the chart makes: drawn once, then read back from the Secret that holds them. */ -}}

{{- /* mlcycle.drawn -> JSON of what is drawn at random. It is drawn once a rendering, so that all templates agree. */ -}}
{{- define "mlcycle.drawn" -}}
{{- if not (hasKey .Values "drawn") -}}
{{- $there := dict -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "mlcycle.secretName" .) -}}
{{- range $key, $value := (get ($found | default dict) "data" | default dict) }}{{- $_ := set $there $key ($value | b64dec) }}{{- end -}}
{{- $drawn := dict -}}
{{- range list "postgres" "owner" "airflow" "mlflow" "evidently" "ingest" "train" "promote" "serve" "keep" "gate" -}}
{{- $key := printf "password-%s" . -}}
{{- $_ := set $drawn $key (get $there $key | default (randAlphaNum 32)) -}}
{{- end -}}
{{- range $user, $_role := .Values.airflow.users -}}
{{- $key := printf "password-airflow-%s" $user -}}
{{- $_ := set $drawn $key (get $there $key | default (randAlphaNum 24)) -}}
{{- end -}}
{{- /* Ends in a letter: Evidently reads a token of digits alone as a number. */ -}}
{{- $_ := set $drawn "MLCYCLE_EVIDENTLY_SECRET" (get $there "MLCYCLE_EVIDENTLY_SECRET" | default (printf "%st" (randAlphaNum 32))) -}}
{{- $_ := set $drawn "MLCYCLE_METRICS_TOKEN" (get $there "MLCYCLE_METRICS_TOKEN" | default (randAlphaNum 32)) -}}
{{- $_ := set $drawn "AIRFLOW__API_AUTH__JWT_SECRET" (get $there "AIRFLOW__API_AUTH__JWT_SECRET" | default (randAlphaNum 88)) -}}
{{- $_ := set $drawn "AIRFLOW__API__SECRET_KEY" (get $there "AIRFLOW__API__SECRET_KEY" | default (randAlphaNum 64)) -}}
{{- $_ := set $drawn "AIRFLOW__CORE__FERNET_KEY" (get $there "AIRFLOW__CORE__FERNET_KEY" | default (randAlphaNum 32 | b64enc)) -}}
{{- $trial := eq .Values.store.mode "trial" -}}
{{- with .Values.store.keys.id | default (get $there "AWS_ACCESS_KEY_ID") | default (ternary (randAlphaNum 20) "" $trial) -}}
{{- $_ := set $drawn "AWS_ACCESS_KEY_ID" . -}}
{{- end -}}
{{- with .Values.store.keys.secret | default (get $there "AWS_SECRET_ACCESS_KEY") | default (ternary (randAlphaNum 40) "" $trial) -}}
{{- $_ := set $drawn "AWS_SECRET_ACCESS_KEY" . -}}
{{- end -}}
{{- $_ := set .Values "drawn" $drawn -}}
{{- end -}}
{{ .Values.drawn | toJson }}
{{- end -}}

{{- define "mlcycle.databaseHost" -}}
{{- if eq .Values.database.mode "external" -}}
{{ required "database.host: with secrets.mode=generated the chart writes the databases' URLs, so it must know the server" .Values.database.host }}
{{- else if eq .Values.database.mode "cnpg" -}}
{{ include "mlcycle.name" (list . "postgres") }}-rw.{{ .Release.Namespace }}.svc
{{- else -}}
{{ include "mlcycle.host" (list . "postgres") }}
{{- end -}}
{{- end -}}

{{- /* mlcycle.databaseUrl: list context scheme user password database. */ -}}
{{- define "mlcycle.databaseUrl" -}}
{{- $context := index . 0 -}}
{{- $port := ternary (int $context.Values.database.port) 5432 (eq $context.Values.database.mode "external") -}}
{{ printf "%s://%s:%s@%s:%d/%s" (index . 1) (index . 2) (index . 3) (include "mlcycle.databaseHost" $context) $port (index . 4) }}
{{- with $context.Values.database.sslmode }}?sslmode={{ . }}{{ end -}}
{{- end -}}

{{- /* mlcycle.secretData -> JSON of the whole Secret of the release's namespace. */ -}}
{{- define "mlcycle.secretData" -}}
{{- $context := . -}}
{{- $drawn := include "mlcycle.drawn" . | fromJson -}}
{{- $data := deepCopy $drawn -}}
{{- range list "owner" "ingest" "train" "promote" "serve" "keep" -}}
{{- $url := include "mlcycle.databaseUrl" (list $context "postgresql" (printf "mlcycle_%s" .) (get $drawn (printf "password-%s" .)) "mlcycle") -}}
{{- $_ := set $data (printf "MLCYCLE_DSN_%s" (upper .)) $url -}}
{{- end -}}
{{- range $key, $user := dict "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" "airflow" "MLFLOW_BACKEND_STORE_URI" "mlflow" "EVIDENTLY_DATABASE_URL" "evidently" -}}
{{- $url := include "mlcycle.databaseUrl" (list $context "postgresql+psycopg2" $user (get $drawn (printf "password-%s" $user)) $user) -}}
{{- $_ := set $data $key $url -}}
{{- end -}}
{{- if ne .Values.database.mode "external" -}}
{{- $url := include "mlcycle.databaseUrl" (list $context "postgresql" "postgres" (get $drawn "password-postgres") "postgres") -}}
{{- $_ := set $data "MLCYCLE_DSN_ADMIN" $url -}}
{{- end -}}
{{- $people := dict -}}
{{- range $user, $_role := .Values.airflow.users -}}
{{- $_ := set $people $user (get $drawn (printf "password-airflow-%s" $user)) -}}
{{- end -}}
{{- $_ := set $data "MLCYCLE_AIRFLOW_PASSWORDS" ($people | toJson) -}}
{{- $_ := set $data "gate-users" (printf "admin:{PLAIN}%s\n" (get $drawn "password-gate")) -}}
{{ $data | toJson }}
{{- end -}}
