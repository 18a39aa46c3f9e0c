import { options } from './option.ts'

export const AUTHORIZATION = options('Authorization', {
  'authorization-mode': [
    'list',
    '',
    'AlwaysAllow, AlwaysDeny, Webhook, asked in that order; none: a short fixed list of rules, which also stands in for RBAC until there are roles; Node permits nothing. system:masters may do all.',
  ],
  'authorization-kubeconfig': [
    'text',
    '',
    'Kubeconfig of another API server that is asked what callers may do, with SubjectAccessReviews: mode Webhook, or after the fixed rules.',
  ],
  'authorization-webhook-config-file': [
    'text',
    '',
    'Kubeconfig whose server URL is a webhook that is asked what callers may do; needs mode Webhook.',
  ],
  'authorization-webhook-version': [
    'text',
    'v1beta1',
    'Version of the SubjectAccessReviews that the webhook gets: v1 or v1beta1.',
  ],
  'authorization-webhook-cache-authorized-ttl': [
    'duration',
    '5m0s',
    'How long permissions are remembered; 0: not at all. Not given with --authorization-kubeconfig: 10s.',
  ],
  'authorization-webhook-cache-unauthorized-ttl': [
    'duration',
    '30s',
    'How long refusals are remembered; 0: not at all. Not given with --authorization-kubeconfig: 10s.',
  ],
})
