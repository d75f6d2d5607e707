ALTER TABLE `mailboxes` ADD `humanizer_enabled` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `humanizer_style` text DEFAULT 'professional' NOT NULL;