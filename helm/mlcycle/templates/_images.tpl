{{- /* mlcycle.image: list context name -> an image's whole name, from .Values.images alone. */ -}}
{{- define "mlcycle.image" -}}
{{- $context := first . -}}
{{- $name := last . -}}
{{- $images := $context.Values.images -}}
{{- $image := get $images $name -}}
{{- $own := has $name (list "airflow" "step" "train" "mlflow" "evidently" "demo") -}}
{{- $registry := ternary $images.registry $images.publicRegistry $own -}}
{{- $common := $images.tag | default $context.Chart.AppVersion -}}
{{- $suffix := get (dict "step" "-slim" "train" "-cpu") $name -}}
{{- $tag := $image.tag | default (printf "%s%s" $common $suffix) -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end -}}

{{- /* The lines of a container that say what it is made of: list context name. */ -}}
{{- define "mlcycle.imageLines" -}}
image: {{ include "mlcycle.image" . }}
imagePullPolicy: {{ (first .).Values.images.pullPolicy }}
{{- end -}}
