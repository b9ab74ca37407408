{{- define "tidegate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "tidegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "tidegate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tidegate.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tidegate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name an existing account, or set serviceAccount.create" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tidegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "tidegate.labels" -}}
{{ include "tidegate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tidegate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tidegate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* What the pod security standard "restricted" asks of a container. */}}
{{- define "tidegate.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end -}}

{{- define "tidegate.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "tidegate.subjects" -}}
- kind: ServiceAccount
  name: {{ include "tidegate.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* What the operator takes for a label selector in words; settings.py has the same. */}}
{{- define "tidegate.labelSelector" -}}
^ *(! *([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?( *(=|==|!=) *([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?| +(in|notin) *\( *([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?( *, *([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?)* *\))?)( *, *(! *([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?( *(=|==|!=) *([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?| +(in|notin) *\( *([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?( *, *([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?)* *\))?))* *$
{{- end }}

{{/* Fails where two entries of a list have the same value of a member, which the operator refuses. */}}
{{- define "tidegate.refuseTwice" -}}
{{- $known := dict }}
{{- $call := . }}
{{- range $at, $one := .given }}
{{- $value := get $one $call.member | toString }}
{{- if hasKey $known $value }}
{{- fail (printf "%s[%d].%s: %q occurs twice: rename one" $call.path $at $call.member $value) }}
{{- end }}
{{- $_ := set $known $value true }}
{{- end }}
{{- end }}
