/**
 * What a request is about, read off its method and path alone. The grammar is kube-apiserver's:
 * spec of RequestInfo, steps 1 to 11.
 */
export interface RequestInfo {
  readonly isResourceRequest: boolean
  /** Decoded. */
  readonly path: string
  readonly verb: string
  readonly apiPrefix: string
  readonly apiGroup: string
  readonly apiVersion: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  readonly name: string
  readonly parts: readonly string[]
  readonly fieldSelector: string
  readonly labelSelector: string
}
