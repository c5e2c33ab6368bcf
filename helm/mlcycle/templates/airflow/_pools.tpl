{{- /* mlcycle.pools -> the pools as the runner reads them; each with the steps' service account and pull secrets. */ -}}
{{- define "mlcycle.pools" -}}
{{- $context := . -}}
{{- $pools := dict -}}
{{- range $name, $pool := .Values.steps.pools -}}
{{- $common := dict "service_account" (include "mlcycle.name" (list $context "step")) -}}
{{- with $context.Values.images.pullSecrets }}{{ $_ := set $common "image_pull_secrets" . }}{{ end -}}
{{- $_ := set $pools $name (merge (deepCopy ($pool | default dict)) $common) -}}
{{- end -}}
{{ $pools | toJson }}
{{- end -}}
