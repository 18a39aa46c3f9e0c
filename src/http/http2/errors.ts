/** Error codes of RFC 9113 section 7. */
export const H2Code = {
  noError: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  connect: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const

/** The connection cannot go on: its peer hears a GOAWAY with this code. */
export class Http2Error extends Error {
  override readonly name = 'Http2Error'
  readonly code: number
  constructor(code: number, message: string) {
    super(`http2: ${message}`)
    this.code = code
  }
}
