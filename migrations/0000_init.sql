CREATE TABLE `agent_spells` (
	`tenant_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`began_at` integer NOT NULL,
	`last_at` integer NOT NULL,
	`beats` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `agent_id`, `began_at`)
);
--> statement-breakpoint
CREATE TABLE `agents` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`name` text NOT NULL,
	`role` text DEFAULT 'general' NOT NULL,
	`description` text,
	`status` text NOT NULL,
	`last_heartbeat_at` integer NOT NULL,
	`registered_at` integer NOT NULL,
	`registered_by` text,
	`config` text,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `agents_by_name` ON `agents` (`tenant_id`,lower("name"));--> statement-breakpoint
CREATE INDEX `agents_by_id` ON `agents` (`id`);--> statement-breakpoint
CREATE TABLE `aliases` (
	`tenant_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`domain_id` text NOT NULL,
	`address` text NOT NULL,
	`contact` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `mailbox_id`, `domain_id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `aliases_by_contact` ON `aliases` (`contact`);--> statement-breakpoint
CREATE INDEX `aliases_by_domain` ON `aliases` (`tenant_id`,`domain_id`);--> statement-breakpoint
CREATE TABLE `canaries` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`label` text,
	`probe` integer NOT NULL,
	`length` integer NOT NULL,
	`hash` text NOT NULL,
	`trips` integer DEFAULT 0 NOT NULL,
	`tripped_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `canaries_by_hash` ON `canaries` (`tenant_id`,`hash`);--> statement-breakpoint
CREATE TABLE `claims` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domains` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`domain` text NOT NULL,
	`mode` text NOT NULL,
	`status` text DEFAULT 'pending' NOT NULL,
	`token` text NOT NULL,
	`selector` text NOT NULL,
	`public_key` text NOT NULL,
	`sealed_key` text NOT NULL,
	`agent_id` text,
	`added_by` text,
	`misses` integer DEFAULT 0 NOT NULL,
	`verified_at` integer,
	`checked_at` integer,
	`next_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `domains_by_name` ON `domains` (`tenant_id`,`domain`);--> statement-breakpoint
CREATE UNIQUE INDEX `domains_verified` ON `domains` (`domain`) WHERE status = 'verified';--> statement-breakpoint
CREATE INDEX `domains_due` ON `domains` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `given_addresses` (
	`hash` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`hash` text NOT NULL,
	`prefix` text NOT NULL,
	`label` text,
	`agent_id` text,
	`permissions` text NOT NULL,
	`scopes` text,
	`created_by` text NOT NULL,
	`maker_key_id` text,
	`version` integer DEFAULT 1 NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`revoked_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_by_hash` ON `keys` (`hash`);--> statement-breakpoint
CREATE INDEX `keys_by_tenant` ON `keys` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `keys_by_maker` ON `keys` (`maker_key_id`) WHERE maker_key_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `mailboxes` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`agent_id` text,
	`address` text NOT NULL,
	`contact` text NOT NULL,
	`display_name` text,
	`status` text DEFAULT 'active' NOT NULL,
	`autonomy` text DEFAULT 'auto' NOT NULL,
	`cooldown_ms` integer,
	`hourly_limit` integer,
	`daily_limit` integer,
	`monthly_limit` integer,
	`require_consent` integer DEFAULT false NOT NULL,
	`fatigue_limit` integer,
	`fatigue_days` integer DEFAULT 7 NOT NULL,
	`risk_budget` integer,
	`shares_with` text,
	`carriers` text,
	`on_unknown` text DEFAULT 'hold' NOT NULL,
	`reputation` integer DEFAULT 800 NOT NULL,
	`frozen_at` integer,
	`frozen_reason` text,
	`frozen_by` text,
	`sent_count` integer DEFAULT 0 NOT NULL,
	`received_count` integer DEFAULT 0 NOT NULL,
	`bounced_count` integer DEFAULT 0 NOT NULL,
	`complaint_count` integer DEFAULT 0 NOT NULL,
	`humanizer_enabled` integer DEFAULT false NOT NULL,
	`humanizer_style` text DEFAULT 'professional' NOT NULL,
	`auto_reply` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `mailboxes_by_contact` ON `mailboxes` (`contact`);--> statement-breakpoint
CREATE INDEX `mailboxes_by_shared` ON `mailboxes` (`tenant_id`,`shares_with`) WHERE shares_with IS NOT NULL;--> statement-breakpoint
CREATE INDEX `mailboxes_by_agent` ON `mailboxes` (`tenant_id`,`agent_id`);--> statement-breakpoint
CREATE TABLE `owners` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`email` text NOT NULL,
	`contact` text NOT NULL,
	`name` text,
	`x_handle` text,
	`claimed_at` integer,
	`verified_at` integer,
	`role` text DEFAULT 'owner' NOT NULL,
	`invited_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `owners_by_contact` ON `owners` (`contact`,`tenant_id`);--> statement-breakpoint
CREATE TABLE `second_addresses` (
	`tenant_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`email` text NOT NULL,
	`contact` text NOT NULL,
	`token_hash` text,
	`expires_at` integer NOT NULL,
	`verified_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `owner_id`, `contact`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `second_addresses_by_contact` ON `second_addresses` (`contact`);--> statement-breakpoint
CREATE UNIQUE INDEX `second_addresses_by_token` ON `second_addresses` (`token_hash`);--> statement-breakpoint
CREATE TABLE `sessions` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`contact` text NOT NULL,
	`tenant_id` text,
	`browser` text,
	`created_at` integer NOT NULL,
	`seen_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sessions_by_contact` ON `sessions` (`contact`);--> statement-breakpoint
CREATE INDEX `sessions_by_age` ON `sessions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `sign_ins` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`contact` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
);
--> statement-breakpoint
CREATE INDEX `sign_ins_by_age` ON `sign_ins` (`expires_at`);--> statement-breakpoint
CREATE TABLE `smtp_credentials` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`agent_id` text,
	`name` text,
	`hash` text NOT NULL,
	`created_by` text NOT NULL,
	`maker_key_id` text,
	`created_at` integer NOT NULL,
	`last_used_at` integer,
	`revoked_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `smtp_credentials_by_hash` ON `smtp_credentials` (`hash`);--> statement-breakpoint
CREATE INDEX `smtp_credentials_by_mailbox` ON `smtp_credentials` (`tenant_id`,`mailbox_id`,`id`);--> statement-breakpoint
CREATE TABLE `tenants` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`plan` text DEFAULT 'free' NOT NULL,
	`status` text DEFAULT 'active' NOT NULL,
	`level` text DEFAULT 'sandbox' NOT NULL,
	`default_mailbox_id` text,
	`dedupe_window_ms` integer DEFAULT 2592000000 NOT NULL,
	`cooldown_ms` integer DEFAULT 600000 NOT NULL,
	`require_consent_for_marketing` integer DEFAULT false NOT NULL,
	`physical_address` text,
	`dlp_mode` text DEFAULT 'monitor' NOT NULL,
	`dlp_disabled` text DEFAULT '[]' NOT NULL,
	`created_at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `verifications` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `arrivals` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`recipient` text NOT NULL,
	`sha256` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`send_id` text,
	`contact` text,
	`raw_key` text NOT NULL,
	`envelope_from` text NOT NULL,
	`size` integer NOT NULL,
	`state` text NOT NULL,
	`locks` integer DEFAULT 0 NOT NULL,
	`next_at` integer,
	`received_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `arrivals_by_content` ON `arrivals` (`tenant_id`,`recipient`,`sha256`);--> statement-breakpoint
CREATE INDEX `arrivals_due` ON `arrivals` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `auto_replies` (
	`tenant_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`contact` text NOT NULL,
	`replied_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `mailbox_id`, `contact`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `consents` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`id` text NOT NULL,
	`email` text NOT NULL,
	`basis` text NOT NULL,
	`source` text,
	`jurisdiction` text,
	`granted_at` integer NOT NULL,
	`revoked_at` integer,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `suppressions` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`scope` text NOT NULL,
	`campaign_id` text DEFAULT '' NOT NULL,
	`id` text NOT NULL,
	`email` text NOT NULL,
	`reason_code` text NOT NULL,
	`source` text,
	`expires_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`, `scope`, `campaign_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `suppressions_by_id` ON `suppressions` (`tenant_id`,`id`);--> statement-breakpoint
CREATE TABLE `consensus_requests` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`requesting_agent_id` text NOT NULL,
	`action` text NOT NULL,
	`contact` text NOT NULL,
	`contact_email` text NOT NULL,
	`reason` text NOT NULL,
	`status` text NOT NULL,
	`timeout_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	`decided_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `consensus_requests_by_time` ON `consensus_requests` (`tenant_id`,`created_at`);--> statement-breakpoint
CREATE TABLE `consensus_votes` (
	`tenant_id` text NOT NULL,
	`request_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`id` text NOT NULL,
	`vote` text NOT NULL,
	`reason` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `request_id`, `agent_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `lease_events` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`id` text NOT NULL,
	`kind` text NOT NULL,
	`at` integer NOT NULL,
	`lease_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`agent_id` text NOT NULL,
	`holder_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `lease_events_by_lease` ON `lease_events` (`tenant_id`,`lease_id`);--> statement-breakpoint
CREATE TABLE `leases` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`id` text NOT NULL,
	`agent_id` text NOT NULL,
	`contact_email` text NOT NULL,
	`intent` text NOT NULL,
	`epoch` integer NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`ended_at` integer,
	PRIMARY KEY(`tenant_id`, `contact`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `leases_by_id` ON `leases` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `leases_by_holder` ON `leases` (`tenant_id`,`agent_id`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE TABLE `captured_mail` (
	`send_id` text NOT NULL,
	`recipient` text NOT NULL,
	`message_id` text NOT NULL,
	`envelope_from` text NOT NULL,
	`subject` text NOT NULL,
	`text` text,
	`html` text,
	`raw` text NOT NULL,
	`captured_at` integer NOT NULL,
	PRIMARY KEY(`send_id`, `recipient`)
);
--> statement-breakpoint
CREATE INDEX `captured_mail_by_time` ON `captured_mail` (`captured_at`);--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`queue` text NOT NULL,
	`ref_id` text NOT NULL,
	`reason` text NOT NULL,
	`body` text,
	`created_at` integer NOT NULL,
	`replayed_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `dead_letters_open` ON `dead_letters` (`created_at`) WHERE replayed_at IS NULL;--> statement-breakpoint
CREATE TABLE `archives` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`state` text NOT NULL,
	`files` integer DEFAULT 0 NOT NULL,
	`size` integer DEFAULT 0 NOT NULL,
	`error` text,
	`locks` integer DEFAULT 0 NOT NULL,
	`lock_token` text,
	`next_at` integer,
	`created_at` integer NOT NULL,
	`completed_at` integer,
	`expires_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `archives_due` ON `archives` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `erasures` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`started_at` integer NOT NULL,
	`id` text,
	`token_hash` text,
	`rows_erased` integer DEFAULT 0 NOT NULL,
	`objects_erased` integer DEFAULT 0 NOT NULL,
	`next_at` integer,
	`completed_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `erasures_by_id` ON `erasures` (`id`);--> statement-breakpoint
CREATE INDEX `erasures_due` ON `erasures` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `sanctions` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`holder` text NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`name` text NOT NULL,
	`reason` text,
	`weight` integer NOT NULL,
	`at` integer NOT NULL,
	`cleared_at` integer,
	`cleared_by` text,
	PRIMARY KEY(`holder`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `sanctions_by_id` ON `sanctions` (`id`);--> statement-breakpoint
CREATE TABLE `idempotency` (
	`tenant_id` text NOT NULL,
	`route` text NOT NULL,
	`key` text NOT NULL,
	`body_hash` text NOT NULL,
	`status` integer,
	`body` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `route`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_by_age` ON `idempotency` (`created_at`);--> statement-breakpoint
CREATE TABLE `audit_details` (
	`tenant_id` text NOT NULL,
	`entry_id` text NOT NULL,
	`salt` text NOT NULL,
	`detail` text NOT NULL,
	PRIMARY KEY(`tenant_id`, `entry_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `audit_entries` (
	`tenant_id` text NOT NULL,
	`seq` integer NOT NULL,
	`id` text NOT NULL,
	`at` integer NOT NULL,
	`actor` text NOT NULL,
	`action` text NOT NULL,
	`target` text,
	`commitment` text NOT NULL,
	`prev_hash` text,
	`hash` text,
	PRIMARY KEY(`tenant_id`, `seq`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `audit_entries_unlinked` ON `audit_entries` (`tenant_id`) WHERE hash IS NULL;--> statement-breakpoint
CREATE TABLE `audit_heads` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL,
	`at` integer NOT NULL,
	`key_id` text,
	`signature` text
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `events` (
	`tenant_id` text NOT NULL,
	`seq` integer NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`mailbox_id` text,
	`agent_id` text,
	`refs` text NOT NULL,
	`payload` text,
	`next_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `seq`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `events_by_id` ON `events` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `events_due` ON `events` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `events_waiting` ON `events` (`tenant_id`,`seq`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `events_by_age` ON `events` (`created_at`);--> statement-breakpoint
CREATE TABLE `traces` (
	`tenant_id` text NOT NULL,
	`send_id` text NOT NULL,
	`seq` integer NOT NULL,
	`kind` text NOT NULL,
	`at` integer NOT NULL,
	`body` text NOT NULL,
	PRIMARY KEY(`tenant_id`, `send_id`, `seq`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `template_versions` (
	`tenant_id` text NOT NULL,
	`template_id` text NOT NULL,
	`version` integer NOT NULL,
	`subject` text NOT NULL,
	`html` text,
	`text` text,
	`variables` text NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`published_at` integer,
	`maker_key_id` text,
	`submitter_key_id` text,
	PRIMARY KEY(`tenant_id`, `template_id`, `version`)
);
--> statement-breakpoint
CREATE TABLE `templates` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`slug` text NOT NULL,
	`name` text NOT NULL,
	`type` text NOT NULL,
	`approval_required` integer DEFAULT false NOT NULL,
	`published_version` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `templates_by_slug` ON `templates` (`tenant_id`,`slug`);--> statement-breakpoint
CREATE TABLE `memories` (
	`tenant_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`key` text NOT NULL,
	`value` text NOT NULL,
	`kind` text,
	`importance` integer DEFAULT 0 NOT NULL,
	`expires_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `agent_id`, `key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `memories_by_expiry` ON `memories` (`expires_at`) WHERE expires_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `messages` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`thread_id` text NOT NULL,
	`send_id` text,
	`rfc_id` text NOT NULL,
	`delivery_type` text NOT NULL,
	`from_address` text NOT NULL,
	`from_name` text,
	`from_mailbox_id` text,
	`to_addresses` text NOT NULL,
	`cc_addresses` text NOT NULL,
	`bcc_addresses` text,
	`reply_to` text,
	`subject` text NOT NULL,
	`text` text,
	`html` text,
	`reply_text` text,
	`body_key` text,
	`raw_key` text,
	`files` text NOT NULL,
	`in_reply_to` text,
	`reference_ids` text NOT NULL,
	`intent` text,
	`authentication` text,
	`ambiguities` text NOT NULL,
	`risk` text,
	`is_automatic` integer DEFAULT false NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `messages_by_rfc_id` ON `messages` (`tenant_id`,`rfc_id`);--> statement-breakpoint
CREATE TABLE `search_entries` (
	`tenant_id` text NOT NULL,
	`kind` text NOT NULL,
	`ref_id` text NOT NULL,
	`scope` text NOT NULL,
	`row` integer NOT NULL,
	`vector` text NOT NULL,
	`model` text,
	`model_vector` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `kind`, `scope`, `ref_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `search_entries_by_row` ON `search_entries` (`row`);--> statement-breakpoint
CREATE INDEX `search_entries_by_time` ON `search_entries` (`tenant_id`,`kind`,`scope`,`created_at`);--> statement-breakpoint
CREATE TABLE `threads` (
	`tenant_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`id` text NOT NULL,
	`subject` text NOT NULL,
	`last_at` integer NOT NULL,
	`archived` integer DEFAULT false NOT NULL,
	`starred` integer DEFAULT false NOT NULL,
	`labels` text DEFAULT '[]' NOT NULL,
	PRIMARY KEY(`tenant_id`, `mailbox_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `threads_by_time` ON `threads` (`tenant_id`,`mailbox_id`,`last_at`);--> statement-breakpoint
CREATE TABLE `views` (
	`tenant_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`folder` text NOT NULL,
	`at` integer NOT NULL,
	`message_id` text NOT NULL,
	`thread_id` text NOT NULL,
	`from_contact` text NOT NULL,
	`read_at` integer,
	`starred` integer DEFAULT false NOT NULL,
	`deleted_at` integer,
	PRIMARY KEY(`tenant_id`, `mailbox_id`, `folder`, `at`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `views_by_message` ON `views` (`tenant_id`,`message_id`,`mailbox_id`,`folder`);--> statement-breakpoint
CREATE INDEX `views_by_thread` ON `views` (`thread_id`,`tenant_id`,`mailbox_id`);--> statement-breakpoint
CREATE INDEX `views_by_sender` ON `views` (`tenant_id`,`from_contact`,`mailbox_id`,`at`) WHERE folder = 'inbox';--> statement-breakpoint
CREATE INDEX `views_unread` ON `views` (`tenant_id`,`mailbox_id`) WHERE folder = 'inbox' AND read_at IS NULL AND deleted_at IS NULL;--> statement-breakpoint
CREATE TABLE `approval_tokens` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`approval_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`door` text NOT NULL,
	`sha256` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
);
--> statement-breakpoint
CREATE INDEX `approval_tokens_by_age` ON `approval_tokens` (`expires_at`);--> statement-breakpoint
CREATE TABLE `billing_events` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`received_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE TABLE `bonds` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`provider` text NOT NULL,
	`tier` text NOT NULL,
	`amount_usd_cents` integer NOT NULL,
	`status` text NOT NULL,
	`customer_id` text NOT NULL,
	`setup_id` text,
	`checkout_id` text,
	`payment_method_id` text,
	`hold_id` text,
	`holds` integer DEFAULT 0 NOT NULL,
	`closing` text,
	`reason` text,
	`next_reauth_at` integer,
	`next_at` integer,
	`lock_token` text,
	`lock_until` integer,
	`posted_at` integer,
	`ended_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `bonds_live` ON `bonds` (`tenant_id`) WHERE status IN ('pending', 'posted');--> statement-breakpoint
CREATE INDEX `bonds_by_id` ON `bonds` (`id`);--> statement-breakpoint
CREATE INDEX `bonds_due` ON `bonds` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `checkouts` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`plan` text NOT NULL,
	`completed_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `checkouts_by_id` ON `checkouts` (`id`);--> statement-breakpoint
CREATE TABLE `subscriptions` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`provider` text NOT NULL,
	`customer_id` text NOT NULL,
	`subscription_id` text,
	`plan` text NOT NULL,
	`status` text NOT NULL,
	`current_period_end` integer,
	`cancel_at_period_end` integer DEFAULT false NOT NULL,
	`version` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `subscriptions_by_customer` ON `subscriptions` (`customer_id`);--> statement-breakpoint
CREATE TABLE `webhook_attempts` (
	`tenant_id` text NOT NULL,
	`delivery_id` text NOT NULL,
	`attempt` integer NOT NULL,
	`at` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`status_code` integer,
	`error` text,
	`request` text NOT NULL,
	`response` text,
	PRIMARY KEY(`tenant_id`, `delivery_id`, `attempt`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `webhook_deliveries` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`webhook_id` text NOT NULL,
	`event_id` text NOT NULL,
	`event_type` text NOT NULL,
	`state` text NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`status_code` integer,
	`error` text,
	`next_at` integer,
	`is_waiting` integer DEFAULT false NOT NULL,
	`lock_token` text,
	`lock_until` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_deliveries_by_event` ON `webhook_deliveries` (`tenant_id`,`webhook_id`,`event_id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_by_webhook` ON `webhook_deliveries` (`tenant_id`,`webhook_id`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_due` ON `webhook_deliveries` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_waiting` ON `webhook_deliveries` (`tenant_id`,`webhook_id`,`id`) WHERE is_waiting = 1;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_locked` ON `webhook_deliveries` (`tenant_id`,`webhook_id`,`lock_until`) WHERE lock_until IS NOT NULL;--> statement-breakpoint
CREATE TABLE `webhooks` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`agent_id` text,
	`url` text NOT NULL,
	`event_types` text NOT NULL,
	`description` text,
	`is_active` integer DEFAULT true NOT NULL,
	`disabled_reason` text,
	`secret` text NOT NULL,
	`replaced_secrets` text DEFAULT '[]' NOT NULL,
	`failing_since` integer,
	`release_at` integer,
	`created_by` text NOT NULL,
	`maker_key_id` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `webhooks_held_up` ON `webhooks` (`release_at`) WHERE release_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `approvals` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`send_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`status` text NOT NULL,
	`hold_reason` text NOT NULL,
	`policy_version` integer NOT NULL,
	`sha256` text,
	`expires_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	`decided_at` integer,
	`decided_by` text,
	`decision_reason` text,
	`notice_at` integer,
	`noticed_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `approvals_by_send` ON `approvals` (`tenant_id`,`send_id`);--> statement-breakpoint
CREATE INDEX `approvals_pending` ON `approvals` (`tenant_id`) WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX `approvals_to_notice` ON `approvals` (`notice_at`) WHERE notice_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `approvals_noticed` ON `approvals` (`tenant_id`,`noticed_at`) WHERE noticed_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `counts` (
	`kind` text NOT NULL,
	`state` text NOT NULL,
	`reason` text NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`kind`, `state`, `reason`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `raises` (
	`tenant_id` text NOT NULL,
	`by_tenant_id` text NOT NULL,
	`send_id` text NOT NULL,
	`contact` text NOT NULL,
	`raised_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `by_tenant_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `send_recipients` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`send_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`agent_id` text,
	`email` text NOT NULL,
	`state` text NOT NULL,
	`signals` integer DEFAULT 0 NOT NULL,
	`carrier` text,
	`detail` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`, `send_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `send_recipients_signals` ON `send_recipients` (`tenant_id`,`mailbox_id`,`updated_at`) WHERE state IN ('bounced', 'complained');--> statement-breakpoint
CREATE INDEX `send_recipients_in_flight` ON `send_recipients` (`tenant_id`,`contact`) WHERE state = 'in_flight';--> statement-breakpoint
CREATE INDEX `send_recipients_by_return_path` ON `send_recipients` (`send_id`) WHERE carrier = 'smtp';--> statement-breakpoint
CREATE TABLE `sends` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`batch_id` text,
	`door` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`agent_id` text,
	`key_id` text,
	`state` text NOT NULL,
	`reason` text,
	`detail` text,
	`dedupe_key` text,
	`burned_key` text,
	`burned_until` integer,
	`body_hash` text NOT NULL,
	`template` text,
	`recipients` text NOT NULL,
	`input` text,
	`input_key` text,
	`content` text,
	`approval_id` text,
	`settle_token` text,
	`scheduled_at` integer,
	`next_at` integer,
	`lock_token` text,
	`lock_until` integer,
	`locks` integer DEFAULT 0 NOT NULL,
	`rendered_key` text,
	`rendered_sha256` text,
	`message_id` text,
	`domain_id` text,
	`carrier` text,
	`carrier_message_id` text,
	`attempt` integer DEFAULT 0 NOT NULL,
	`ambiguous_at` integer,
	`pinned_recipients` text,
	`delivered_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `sends_by_carrier_message` ON `sends` (`carrier_message_id`) WHERE carrier_message_id IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `sends_by_burned_key` ON `sends` (`tenant_id`,`burned_key`) WHERE burned_key IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sends_due` ON `sends` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sends_unknown` ON `sends` (`updated_at`) WHERE state = 'unknown';--> statement-breakpoint
CREATE INDEX `sends_by_batch` ON `sends` (`tenant_id`,`batch_id`) WHERE batch_id IS NOT NULL;
