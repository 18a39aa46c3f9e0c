/** Where answers differ from kube-apiserver's, and why. A row that is no difference any more fails the run. */

export interface KnownDifference {
  /** `/api/v1 Service`. */
  readonly kind: RegExp
  /** Name of the step. */
  readonly step: RegExp
  readonly why: string
}

export const KNOWN: readonly KnownDifference[] = [
  {
    kind: / Service$/,
    step: /./,
    why: 'nothing allocates cluster IPs and IP families, or takes over those of the stored object',
  },
  {
    kind: / EndpointSlice$/,
    step: /^(create a minimal one|apply with force)$/,
    why: 'an empty list of endpoints stays an empty list; upstream answers null',
  },
  {
    kind: /events.k8s.io.* Event$/,
    step: /^(apply with force|delete with a wrong uid)$/,
    why: 'upstream shows an involved object in its internal form, and names the kind without its group',
  },
  {
    kind: / Namespace$/,
    step: /^delete with a wrong uid$/,
    why: 'upstream words a failed precondition of namespaces by their storage',
  },
  {
    kind: /flowcontrol.* (PriorityLevelConfiguration|FlowSchema)$/,
    step: /./,
    why: 'validation is by types alone, and no condition Dangling is written',
  },
]
