{{- /* What all pods have in common. */ -}}

{{- /* mlcycle.pod: list context user -> the first lines of a pod's spec. Restricted pod security. */ -}}
{{- define "mlcycle.pod" -}}
{{- $context := first . -}}
{{- $user := int (last .) -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $user }}
  runAsGroup: {{ $user }}
  fsGroup: {{ $user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $context.Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with $context.Values.scheduling.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $context.Values.scheduling.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $context.Values.scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "mlcycle.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- /* Replicas prefer nodes apart: list context part. */ -}}
{{- define "mlcycle.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "mlcycle.selector" . | nindent 8 }}
{{- end -}}

{{- /* mlcycle.secretVolume: dict context, keys -> a volume with these keys of the Secret alone, as files that the
       launcher turns into variables. KEY:FILE names the file otherwise, KEY? may be absent. */ -}}
{{- define "mlcycle.secretVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
{{- $context := .context }}
{{- range .keys }}
{{- $key := trimSuffix "?" . }}
{{- $parts := splitList ":" $key }}
      - secret:
          name: {{ include "mlcycle.secretName" $context }}
          optional: {{ hasSuffix "?" . }}
          items: [{key: {{ first $parts }}, path: {{ last $parts }}}]
{{- end }}
{{- end -}}

{{- /* Keys of the object store's credentials, where there are any. */ -}}
{{- define "mlcycle.storeKeys" -}}
{{- if eq .Values.store.credentials "secret" }}AWS_ACCESS_KEY_ID? AWS_SECRET_ACCESS_KEY? AWS_SESSION_TOKEN?{{ end -}}
{{- end -}}
