import { options } from './option.ts'

export const OBSERVABILITY = options('Observability', {
  'tracing-config-file': ['text', '', 'YAML TracingConfiguration: OTLP endpoint and sampling rate.'],
  'tracing-endpoint': ['text', '', 'OTLP/HTTP endpoint such as http://127.0.0.1:4318; samples everything.'],
  v: ['int', '0', 'Verbosity of logs: 2 for changes, 3 for requests, 4 for each step.'],
})
