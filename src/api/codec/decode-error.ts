/** A body that cannot be decoded: always a 400. The message is complete, as Kubernetes words it. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  /** What went wrong, without the sentence around it. */
  readonly detail: string
  constructor(message: string, detail: string) {
    super(message)
    this.detail = detail
  }
}

/** The kind of the body is not known. Source: apiserver's transformDecodeError. */
export function unrecognized(expectedKind: string, detail: string, body: Uint8Array): DecodeError {
  return new DecodeError(
    `the object provided is unrecognized (must be of type ${expectedKind}): ${detail} (${summary(body)})`,
    detail,
  )
}

/** The body says what it is, but it cannot be taken for what is expected. */
export function unhandled(kind: string, version: string, expectedKind: string, detail: string): DecodeError {
  return new DecodeError(
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${expectedKind}: ${detail}`,
    detail,
  )
}

const SUMMARY_BYTES = 30

function summary(body: Uint8Array): string {
  if (body.length === 0) return '<empty>'
  const head = Buffer.from(body.subarray(0, SUMMARY_BYTES))
  const text = head[0] === 0x7b ? head.toString('utf8') : head.toString('hex')
  return body.length > SUMMARY_BYTES ? `${text} ...` : text
}
