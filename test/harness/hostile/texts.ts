/** What hostile bodies are put together from: parts repeated until nothing more fits. */
export const BODY_BYTES = 3 * 1024 * 1024 - 1024
/** Of a request's head: somewhat less than what a head may have. */
export const TARGET_BYTES = 1_000_000
export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
export const REFUSED = [400, 413, 422]
export const TAKEN_OR_REFUSED = [200, 201, ...REFUSED]

/** As often as it fits behind what stands before and after it. */
export const filled = (part: string, before = '', after = '', bytes = BODY_BYTES): string =>
  before + part.repeat(Math.floor((bytes - before.length - after.length) / Buffer.byteLength(part))) + after
/** Numbered parts, as many as fit. */
export function numbered(
  part: (i: number) => string,
  before: string,
  after: string,
  separator = '',
  most = Number.POSITIVE_INFINITY,
): string {
  const parts: string[] = []
  let size = before.length + after.length
  for (let i = 0; ; i++) {
    const text = part(i)
    size += text.length + separator.length
    if (size > BODY_BYTES || i === most) return before + parts.join(separator) + after
    parts.push(text)
  }
}
export const configMap = (data: string, metadata = '"name":"hostile"'): string =>
  `{"kind":"ConfigMap","apiVersion":"v1","metadata":{${metadata}},"data":{${data}}}`
export const [HEAD, TAIL] = configMap('|').split('|') as [string, string]
export const inMetadata = (open: string, close: string): [string, string] =>
  configMap('', `"name":"hostile",${open}|${close}`).split('|') as [string, string]

export const apiService = (bundle: string): string =>
  JSON.stringify({
    metadata: { name: 'v1.hostile.example.com' },
    spec: {
      group: 'hostile.example.com',
      version: 'v1',
      groupPriorityMinimum: 1,
      versionPriority: 1,
      service: { namespace: 'default', name: 'none' },
      caBundle: Buffer.from(bundle).toString('base64'),
    },
  })
export const BUNDLE_BYTES = 2_300_000

/** Somewhat less than a document may have. */
export const MOST = 49_900

export interface Body {
  readonly name: string
  readonly body: () => string | Uint8Array
  readonly path?: string
}

export function pair([before, after]: [string, string]): [string, string] {
  return [before, after]
}
