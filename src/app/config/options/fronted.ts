import { options } from './option.ts'

export const FRONTED = options('Fronted servers', {
  'core-delegate-kubeconfig': [
    'text',
    '',
    'Kubeconfig of a kube-apiserver that serves everything nobody else claims, in place of the core server in this process.',
  ],
  'core-delegate-identity': [
    'text',
    'requestheader',
    'How that server learns who calls: requestheader (our front-proxy certificate), impersonate (the credentials of the kubeconfig) or passthrough (bearer tokens only).',
  ],
})
