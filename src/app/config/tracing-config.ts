/** --tracing-config-file: kube-apiserver's TracingConfiguration; --tracing-endpoint: an OTLP/HTTP address, everything sampled. */
import { existsSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { ConfigurationError } from './configuration-error.ts'
import type { OptionValues } from './options.ts'

export interface TracingConfig {
  /** `http://host:port`: OTLP over HTTP. `host:port`: OTLP over gRPC, as kube-apiserver means it. */
  readonly endpoint: string
  /** 0 to 1,000,000; undefined: only what a caller with a sampled parent asks for. */
  readonly samplingRatePerMillion: number | undefined
}

const VERSIONS = new Set([
  'apiserver.config.k8s.io/v1',
  'apiserver.config.k8s.io/v1beta1',
  'apiserver.config.k8s.io/v1alpha1',
  'apiserver.k8s.io/v1beta1',
])
const DEFAULT_ENDPOINT = 'localhost:4317'
const MILLION = 1_000_000

/** @throws ConfigurationError */
export function readTracingConfig(values: OptionValues): TracingConfig | undefined {
  if (values['tracing-endpoint'] !== '')
    return { endpoint: values['tracing-endpoint'], samplingRatePerMillion: MILLION }
  const path = values['tracing-config-file']
  if (path === '') return undefined
  if (!existsSync(path)) throw new ConfigurationError(`--tracing-config-file: ${path} does not exist`)
  const file = parse(readFileSync(path, 'utf8')) as {
    apiVersion?: unknown
    kind?: unknown
    endpoint?: unknown
    samplingRatePerMillion?: unknown
  } | null
  if (file?.kind !== 'TracingConfiguration' || !VERSIONS.has(String(file.apiVersion)))
    throw new ConfigurationError(`--tracing-config-file: ${path} is not a TracingConfiguration`)
  const rate = file.samplingRatePerMillion
  if (rate !== undefined && (typeof rate !== 'number' || rate < 0 || rate > MILLION)) {
    throw new ConfigurationError(`--tracing-config-file: samplingRatePerMillion: must be 0 to ${MILLION}`)
  }
  return {
    endpoint: typeof file.endpoint === 'string' && file.endpoint !== '' ? file.endpoint : DEFAULT_ENDPOINT,
    samplingRatePerMillion: rate,
  }
}
