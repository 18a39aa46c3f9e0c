/** Names that carry meaning in Kubernetes' access control. */
export const SYSTEM_MASTERS = 'system:masters'
export const SYSTEM_AUTHENTICATED = 'system:authenticated'
export const SYSTEM_UNAUTHENTICATED = 'system:unauthenticated'
export const ANONYMOUS = 'system:anonymous'
