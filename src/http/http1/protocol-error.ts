/** A message that breaks HTTP/1.1. Statuses are those a server answers with; a client only reads the text. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly status: number
  constructor(message: string, status = 400) {
    super(message)
    this.status = status
  }
}
