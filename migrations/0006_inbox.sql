DROP TABLE `messages`;--> statement-breakpoint
CREATE TABLE `arrivals` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`recipient` text NOT NULL,
	`sha256` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`send_id` text,
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
CREATE INDEX `messages_by_id` ON `messages` (`id`);--> statement-breakpoint
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
ALTER TABLE `mailboxes` ADD `frozen_at` integer;--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `frozen_reason` text;--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `frozen_by` text;--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `sent_count` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `received_count` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `bounced_count` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `complaint_count` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `send_recipients` ADD `signals` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `send_recipients` ADD `carrier` text;--> statement-breakpoint
ALTER TABLE `sends` ADD `content` text;--> statement-breakpoint
ALTER TABLE `sends` ADD `pinned_recipients` text;--> statement-breakpoint
ALTER TABLE `sends` ADD `delivered_at` integer;--> statement-breakpoint
CREATE INDEX `sends_by_return_path` ON `sends` (`id`) WHERE carrier = 'smtp';--> statement-breakpoint
CREATE INDEX `sends_by_carrier_message` ON `sends` (`carrier_message_id`) WHERE carrier_message_id IS NOT NULL;