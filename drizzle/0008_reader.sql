CREATE TABLE "settlement"."set_aside" (
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"failures" integer DEFAULT 1 NOT NULL,
	"until" timestamp with time zone NOT NULL,
	"failed_at" timestamp with time zone DEFAULT now() NOT NULL,
	"error" text NOT NULL,
	CONSTRAINT "set_aside_kind_subject_pk" PRIMARY KEY("kind","subject")
);
