{{- /* git-sync, as an init container (once) or beside the process (ever after): list context once. */ -}}
{{- define "mlcycle.gitSync" -}}
{{- $context := first . -}}
{{- $once := last . -}}
{{- $git := $context.Values.dags.gitSync -}}
- name: {{ ternary "git-clone" "git-sync" $once }}
  {{- include "mlcycle.imageLines" (list $context "gitSync") | nindent 2 }}
  args:
    - --repo={{ required "dags.gitSync.repo: name the repository" $git.repo }}
    - --ref={{ $git.ref }}
    - --root=/git
    - --link=current
    - --depth=1
    - --period={{ $git.period }}
{{- if $once }}
    - --one-time
{{- end }}
{{- if eq $git.auth "password" }}
    - --password-file=/etc/git-secret/password
  env:
    - name: GITSYNC_USERNAME
      valueFrom: {secretKeyRef: {name: {{ required "dags.gitSync.secret: name the Secret" $git.secret }}, key: username}}
{{- else if eq $git.auth "ssh" }}
    - --ssh-key-file=/etc/git-secret/ssh-privatekey
    - --ssh-known-hosts-file=/etc/git-secret/known_hosts
{{- end }}
  {{- include "mlcycle.container" $context | nindent 2 }}
  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 256Mi}}
  volumeMounts:
    - {name: git, mountPath: /git}
    - {name: tmp, mountPath: /tmp}
{{- if ne $git.auth "none" }}
    - {name: git-secret, mountPath: /etc/git-secret, readOnly: true}
{{- end }}
{{- end -}}

{{- define "mlcycle.gitVolumes" -}}
{{- if .Values.dags.gitSync.enabled -}}
- {name: git, emptyDir: {}}
{{- if ne .Values.dags.gitSync.auth "none" }}
- name: git-secret
  secret: {secretName: {{ required "dags.gitSync.secret: name the Secret" .Values.dags.gitSync.secret }}, defaultMode: 0440}
{{- end }}
{{- end -}}
{{- end -}}
