/** Says what a file that should be PEM holds instead, for an operator who named the wrong file. */
import { ConfigurationError } from '../config/configuration-error.ts'
import { readFile } from '../config/config.ts'
import type { OptionName, OptionValues } from '../config/options.ts'

/** `certificate`: one or more, or a bundle. `key`: a private key of any form. */
export type PemKind = 'certificate' | 'key'
const LABEL: Record<PemKind, RegExp> = { certificate: /^(TRUSTED )?CERTIFICATE$/, key: /PRIVATE KEY$/ }
const WANTED: Record<PemKind, string> = { certificate: 'a PEM certificate', key: 'a PEM private key' }

/** @throws ConfigurationError with the flag, the file and what stands in it, where that is something else. */
export function readPem(name: OptionName, values: OptionValues, kind: PemKind): string {
  const text = readFile(name, values)
  const labels = [...text.matchAll(/^-----BEGIN ([A-Z0-9 ]+)-----/gm)].map(([, label]) => label!)
  if (labels.some((label) => LABEL[kind].test(label))) return text
  throw new ConfigurationError(
    `--${name}: ${String(values[name])} holds ${contentOf(text, labels)}, not ${WANTED[kind]}`,
  )
}

function contentOf(text: string, labels: readonly string[]): string {
  if (labels.length > 0) return `PEM of type ${[...new Set(labels)].join(', ')}`
  if (text.trim() === '') return 'nothing'
  if (/[\0\ufffd]/.test(text)) return 'binary data (DER?)'
  return /^\s*[{[]/.test(text) ? 'JSON' : /^\s*apiVersion:/m.test(text) ? 'YAML' : 'text without PEM'
}
