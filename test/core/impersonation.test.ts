import { expect, test } from 'vitest'
import { posesAsService } from '../../src/core/reading/impersonation.ts'

const poses = (text: string, kind: 'name' | 'address') => posesAsService(text, kind, 'agents.moltpost.test')

test('a name that looks like one of the service is recognised in every spelling', () => {
  for (const name of [
    ...['Moltpost', 'MOLTPOST', 'Molt Post', 'm.o.l.t.p.o.s.t', 'The Moltpost Team', 'Moltpost Approvals'],
    ...[
      'M0ltp0st',
      'Мoltpost',
      'Μοltρost',
      'moltpоst',
      'ＭＯＬＴＰＯＳＴ',
      '𝕄𝕠𝕝𝕥𝕡𝕠𝕤𝕥',
      'Ⓜoltpost',
      '🅼🅾🅻🆃🅿🅾🆂🆃',
    ],
    ...['Mo\u200bltpost', 'Mólt-pöst', 'Mo1tpost', 'Moltpo$t', 'MoItpost', 'ᴍoltpost', 'molt\u00adpost 24'],
    ...['agents.moltpost.test', 'Agents Moltpost Test'],
    ...[
      'Approvals',
      'approvals 2',
      '2 Approvals',
      'Approva1s',
      'Аpprovals',
      'Notifications',
      'No-Reply',
      'no reply',
    ],
    ...[
      'Do not reply',
      'Verify',
      'Verification',
      'Verify your account',
      'Bounce',
      'Post-Master',
      'P0stmaster',
    ],
    ...[
      'Mailer Daemon',
      'MAILER-DAEMON',
      'Abuse',
      'Security',
      'The Security Team',
      'Account Security',
      'Billing',
    ],
    ...['Admin', 'Administrator', 'System', 'root', 'A d m i n', 'Sесurіtу', 'Official Notifications'],
  ])
    expect({ name, poses: poses(name, 'name') }).toEqual({ name, poses: true })
  for (const name of [
    ...[
      'Research Bot',
      'Anna of Sales',
      'support-agent',
      'Support',
      'Sales',
      'outreach',
      'Billing Bot',
      'Test 1',
    ],
    ...[
      'Security Research',
      'Postal Helper',
      'Molt',
      'Müller & Söhne',
      'Анна Иванова',
      '株式会社',
      'Agent 007',
      '7',
    ],
    ...['Noel', 'Notary', 'Approved Motors', 'Verity', 'Bouncer Club', 'System Designer', '', '  '],
  ])
    expect({ name, poses: poses(name, 'name') }).toEqual({ name, poses: false })
})

test('an address may also not be a role of the domain, or begin or end with a word of the service', () => {
  for (const local of [
    ...[
      'moltpost',
      'moltpost-approvals-7',
      'account-security-mx1uw4du11',
      'security.mx1',
      '7a-billing',
      'm0ltp0st',
      'my-moltpost-agent',
      'approvals',
      'approvals-x',
      'a.approvals',
    ],
    ...[
      'notifications',
      'noreply',
      'no-reply',
      'no_reply.2',
      'noreply-bot',
      'verify',
      'verify-ann',
      'bounce',
      'bounces1',
    ],
    ...[
      'post-master',
      'postmaster24',
      'post.master',
      'p0stmaster',
      'mailer-daemon',
      'abuse',
      'security',
      'billing',
    ],
    ...[
      'support',
      'sales',
      'info',
      'www',
      'ssl-admin',
      'support24',
      '24-support',
      'the-support-team',
      'decide',
      'help-desk',
    ],
  ])
    expect({ local, poses: poses(local, 'address') }).toEqual({ local, poses: true })
  for (const local of [
    'research-bot',
    'ann',
    'agent-support',
    'outreach',
    'sales-bot',
    'supporter',
    'box-1f3a',
    'x1',
    '24',
  ])
    expect({ local, poses: poses(local, 'address') }).toEqual({ local, poses: false })
})

test('checking a name takes time that grows with its length only', () => {
  for (const unit of ['a', 'no', 'notice', 'my', 'admin ', '1', 'rn', '\u0301', '🅼']) {
    const started = performance.now()
    poses(unit.repeat(20_000), 'name')
    expect(performance.now() - started).toBeLessThan(5_000)
  }
})
