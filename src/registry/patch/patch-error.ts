/**
 * A patch that cannot be applied. The endpoint makes a Status of it:
 *
 *   malformed   400  `error decoding patch: ...`
 *   too-large   413
 *   failed      422  the generic text: Kubernetes hides why
 *   rejected    500  the message as it is: a strategic merge patch that contradicts the type
 */
export class PatchError extends Error {
  override readonly name = 'PatchError'
  readonly kind: 'malformed' | 'too-large' | 'failed' | 'rejected'
  constructor(kind: PatchError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}
