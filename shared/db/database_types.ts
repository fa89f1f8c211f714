// Generated from the database by `npm run gen`; a test compares the two. Do not edit.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  api: {
    Tables: {
      [_ in never]: never;
    };
    Views: {
      activities: {
        Row: {
          body: string | null;
          company_id: string | null;
          contact_id: string | null;
          created_at: string;
          created_by: NonNullable<Json>;
          custom_fields: NonNullable<Json>;
          data: NonNullable<Json>;
          deal_id: string | null;
          direction: string | null;
          duration_seconds: number | null;
          external_id: string | null;
          id: string;
          occurred_at: string;
          outcome: string | null;
          owner_id: string | null;
          source: string;
          subject: string | null;
          tags: string[];
          type: string;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          body?: string | null;
          company_id?: string | null;
          contact_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          data?: Json | null;
          deal_id?: string | null;
          direction?: string | null;
          duration_seconds?: number | null;
          external_id?: string | null;
          id?: string | null;
          occurred_at?: string | null;
          outcome?: string | null;
          owner_id?: string | null;
          source?: string | null;
          subject?: string | null;
          tags?: string[] | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Update: {
          body?: string | null;
          company_id?: string | null;
          contact_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          data?: Json | null;
          deal_id?: string | null;
          direction?: string | null;
          duration_seconds?: number | null;
          external_id?: string | null;
          id?: string | null;
          occurred_at?: string | null;
          outcome?: string | null;
          owner_id?: string | null;
          source?: string | null;
          subject?: string | null;
          tags?: string[] | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "activities_company_id_fkey";
            columns: ["workspace_id", "company_id"];
            isOneToOne: false;
            referencedRelation: "companies";
            referencedColumns: ["workspace_id", "id"];
          },
          {
            foreignKeyName: "activities_contact_id_fkey";
            columns: ["workspace_id", "contact_id"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["workspace_id", "id"];
          },
          {
            foreignKeyName: "activities_deal_id_fkey";
            columns: ["workspace_id", "deal_id"];
            isOneToOne: false;
            referencedRelation: "deals";
            referencedColumns: ["workspace_id", "id"];
          },
        ];
      };
      companies: {
        Row: {
          address: Json | null;
          annual_revenue: string | null;
          contacts_count: number | null;
          created_at: string;
          created_by: NonNullable<Json>;
          currency: string | null;
          custom_fields: NonNullable<Json>;
          description: string | null;
          domain: string | null;
          employee_count: number | null;
          external_id: string | null;
          id: string;
          industry: string | null;
          lifecycle_stage: string | null;
          linkedin_url: string | null;
          name: string;
          open_deals_count: number | null;
          owner_id: string | null;
          parent_company_id: string | null;
          phone: string | null;
          phone_e164: string | null;
          source: string;
          tags: string[];
          type: string | null;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          website: string | null;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          address?: Json | null;
          annual_revenue?: never;
          contacts_count?: never;
          created_at?: string | null;
          created_by?: Json | null;
          currency?: string | null;
          custom_fields?: Json | null;
          description?: string | null;
          domain?: string | null;
          employee_count?: number | null;
          external_id?: string | null;
          id?: string | null;
          industry?: string | null;
          lifecycle_stage?: string | null;
          linkedin_url?: string | null;
          name?: string | null;
          open_deals_count?: never;
          owner_id?: string | null;
          parent_company_id?: string | null;
          phone?: string | null;
          phone_e164?: string | null;
          source?: string | null;
          tags?: string[] | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Update: {
          address?: Json | null;
          annual_revenue?: never;
          contacts_count?: never;
          created_at?: string | null;
          created_by?: Json | null;
          currency?: string | null;
          custom_fields?: Json | null;
          description?: string | null;
          domain?: string | null;
          employee_count?: number | null;
          external_id?: string | null;
          id?: string | null;
          industry?: string | null;
          lifecycle_stage?: string | null;
          linkedin_url?: string | null;
          name?: string | null;
          open_deals_count?: never;
          owner_id?: string | null;
          parent_company_id?: string | null;
          phone?: string | null;
          phone_e164?: string | null;
          source?: string | null;
          tags?: string[] | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "companies_parent_company_id_fkey";
            columns: ["workspace_id", "parent_company_id"];
            isOneToOne: false;
            referencedRelation: "companies";
            referencedColumns: ["workspace_id", "id"];
          },
        ];
      };
      contacts: {
        Row: {
          address: Json | null;
          birthday: string | null;
          company_id: string | null;
          created_at: string;
          created_by: NonNullable<Json>;
          custom_fields: NonNullable<Json>;
          department: string | null;
          do_not_contact: boolean;
          email: string;
          external_id: string | null;
          first_name: string | null;
          id: string;
          job_title: string | null;
          last_activity_at: string | null;
          last_name: string | null;
          lead_source: string | null;
          lifecycle_stage: string | null;
          linkedin_url: string | null;
          locale: string | null;
          owner_id: string | null;
          phone: string | null;
          phone_e164: string | null;
          score: number | null;
          source: string;
          status: string;
          tags: string[];
          timezone: string | null;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          website: string | null;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          address?: Json | null;
          birthday?: string | null;
          company_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          department?: string | null;
          do_not_contact?: boolean | null;
          email?: string | null;
          external_id?: string | null;
          first_name?: string | null;
          id?: string | null;
          job_title?: string | null;
          last_activity_at?: string | null;
          last_name?: string | null;
          lead_source?: string | null;
          lifecycle_stage?: string | null;
          linkedin_url?: string | null;
          locale?: string | null;
          owner_id?: string | null;
          phone?: string | null;
          phone_e164?: string | null;
          score?: number | null;
          source?: string | null;
          status?: string | null;
          tags?: string[] | null;
          timezone?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Update: {
          address?: Json | null;
          birthday?: string | null;
          company_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          department?: string | null;
          do_not_contact?: boolean | null;
          email?: string | null;
          external_id?: string | null;
          first_name?: string | null;
          id?: string | null;
          job_title?: string | null;
          last_activity_at?: string | null;
          last_name?: string | null;
          lead_source?: string | null;
          lifecycle_stage?: string | null;
          linkedin_url?: string | null;
          locale?: string | null;
          owner_id?: string | null;
          phone?: string | null;
          phone_e164?: string | null;
          score?: number | null;
          source?: string | null;
          status?: string | null;
          tags?: string[] | null;
          timezone?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "contacts_company_id_fkey";
            columns: ["workspace_id", "company_id"];
            isOneToOne: false;
            referencedRelation: "companies";
            referencedColumns: ["workspace_id", "id"];
          },
        ];
      };
      custom_fields: {
        Row: {
          created_at: string;
          created_by: NonNullable<Json>;
          id: string;
          key: string;
          label: string;
          options: string[];
          required: boolean;
          resource: string;
          type: string;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          key?: string | null;
          label?: string | null;
          options?: string[] | null;
          required?: boolean | null;
          resource?: string | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Update: {
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          key?: string | null;
          label?: string | null;
          options?: string[] | null;
          required?: boolean | null;
          resource?: string | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Relationships: [];
      };
      deals: {
        Row: {
          amount: string | null;
          closed_at: string | null;
          company_id: string | null;
          contacts: NonNullable<Json>;
          created_at: string;
          created_by: NonNullable<Json>;
          currency: string | null;
          custom_fields: NonNullable<Json>;
          expected_close_date: string | null;
          external_id: string | null;
          id: string;
          lost_reason: string | null;
          name: string;
          owner_id: string | null;
          pipeline_id: string;
          primary_contact_id: string | null;
          priority: "low" | "normal" | "high" | "urgent";
          probability: number;
          source: string;
          stage_entered_at: string;
          stage_id: string;
          status: string;
          tags: string[];
          type: string | null;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          weighted_amount: string | null;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          amount?: never;
          closed_at?: string | null;
          company_id?: string | null;
          contacts?: Json | null;
          created_at?: string | null;
          created_by?: Json | null;
          currency?: string | null;
          custom_fields?: Json | null;
          expected_close_date?: string | null;
          external_id?: string | null;
          id?: string | null;
          lost_reason?: string | null;
          name?: string | null;
          owner_id?: string | null;
          pipeline_id?: string | null;
          primary_contact_id?: string | null;
          priority?: "low" | "normal" | "high" | "urgent" | null;
          probability?: number | null;
          source?: string | null;
          stage_entered_at?: string | null;
          stage_id?: string | null;
          status?: string | null;
          tags?: string[] | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          weighted_amount?: never;
          workspace_id?: string | null;
        };
        Update: {
          amount?: never;
          closed_at?: string | null;
          company_id?: string | null;
          contacts?: Json | null;
          created_at?: string | null;
          created_by?: Json | null;
          currency?: string | null;
          custom_fields?: Json | null;
          expected_close_date?: string | null;
          external_id?: string | null;
          id?: string | null;
          lost_reason?: string | null;
          name?: string | null;
          owner_id?: string | null;
          pipeline_id?: string | null;
          primary_contact_id?: string | null;
          priority?: "low" | "normal" | "high" | "urgent" | null;
          probability?: number | null;
          source?: string | null;
          stage_entered_at?: string | null;
          stage_id?: string | null;
          status?: string | null;
          tags?: string[] | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          weighted_amount?: never;
          workspace_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "deals_company_id_fkey";
            columns: ["workspace_id", "company_id"];
            isOneToOne: false;
            referencedRelation: "companies";
            referencedColumns: ["workspace_id", "id"];
          },
          {
            foreignKeyName: "deals_pipeline_id_fkey";
            columns: ["workspace_id", "pipeline_id"];
            isOneToOne: false;
            referencedRelation: "pipelines";
            referencedColumns: ["workspace_id", "id"];
          },
          {
            foreignKeyName: "deals_primary_contact_id_fkey";
            columns: ["workspace_id", "primary_contact_id"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["workspace_id", "id"];
          },
          {
            foreignKeyName: "deals_stage_id_fkey";
            columns: ["workspace_id", "stage_id"];
            isOneToOne: false;
            referencedRelation: "stages";
            referencedColumns: ["workspace_id", "id"];
          },
        ];
      };
      jobs: {
        Row: {
          created_at: string;
          created_by: NonNullable<Json>;
          done: number;
          error: Json | null;
          finished_at: string | null;
          id: string;
          kind: string;
          result: Json | null;
          state: string;
          total: number | null;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string | null;
          created_by?: Json | null;
          done?: number | null;
          error?: Json | null;
          finished_at?: string | null;
          id?: string | null;
          kind?: string | null;
          result?: Json | null;
          state?: string | null;
          total?: number | null;
        };
        Update: {
          created_at?: string | null;
          created_by?: Json | null;
          done?: number | null;
          error?: Json | null;
          finished_at?: string | null;
          id?: string | null;
          kind?: string | null;
          result?: Json | null;
          state?: string | null;
          total?: number | null;
        };
        Relationships: [];
      };
      merges: {
        Row: {
          created_at: string;
          created_by: NonNullable<Json>;
          id: string;
          loser_ids: string[];
          resource: string;
          reverted_at: string | null;
          reverted_by: Json | null;
          winner_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          loser_ids?: string[] | null;
          resource?: string | null;
          reverted_at?: string | null;
          reverted_by?: Json | null;
          winner_id?: string | null;
        };
        Update: {
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          loser_ids?: string[] | null;
          resource?: string | null;
          reverted_at?: string | null;
          reverted_by?: Json | null;
          winner_id?: string | null;
        };
        Relationships: [];
      };
      pipelines: {
        Row: {
          created_at: string;
          created_by: NonNullable<Json>;
          currency: string | null;
          custom_fields: NonNullable<Json>;
          external_id: string | null;
          id: string;
          is_default: boolean;
          name: string;
          owner_id: string | null;
          position: number;
          rules: NonNullable<Json>;
          source: string;
          stages: Json | null;
          tags: string[];
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string | null;
          created_by?: Json | null;
          currency?: string | null;
          custom_fields?: Json | null;
          external_id?: string | null;
          id?: string | null;
          is_default?: boolean | null;
          name?: string | null;
          owner_id?: string | null;
          position?: number | null;
          rules?: Json | null;
          source?: string | null;
          stages?: never;
          tags?: string[] | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Update: {
          created_at?: string | null;
          created_by?: Json | null;
          currency?: string | null;
          custom_fields?: Json | null;
          external_id?: string | null;
          id?: string | null;
          is_default?: boolean | null;
          name?: string | null;
          owner_id?: string | null;
          position?: number | null;
          rules?: Json | null;
          source?: string | null;
          stages?: never;
          tags?: string[] | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Relationships: [];
      };
      stages: {
        Row: {
          created_at: string;
          created_by: NonNullable<Json>;
          id: string;
          name: string;
          pipeline_id: string;
          position: number;
          probability: number;
          required_fields: string[];
          rotting_days: number | null;
          type: string;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          name?: string | null;
          pipeline_id?: string | null;
          position?: number | null;
          probability?: number | null;
          required_fields?: string[] | null;
          rotting_days?: number | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Update: {
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          name?: string | null;
          pipeline_id?: string | null;
          position?: number | null;
          probability?: number | null;
          required_fields?: string[] | null;
          rotting_days?: number | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "stages_pipeline_id_fkey";
            columns: ["workspace_id", "pipeline_id"];
            isOneToOne: false;
            referencedRelation: "pipelines";
            referencedColumns: ["workspace_id", "id"];
          },
        ];
      };
      tags: {
        Row: {
          count: number | null;
          created_at: string;
          created_by: NonNullable<Json>;
          id: string;
          name: string;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          count?: never;
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          name?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Update: {
          count?: never;
          created_at?: string | null;
          created_by?: Json | null;
          id?: string | null;
          name?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Relationships: [];
      };
      tasks: {
        Row: {
          assignee_id: string | null;
          company_id: string | null;
          completed_at: string | null;
          contact_id: string | null;
          created_at: string;
          created_by: NonNullable<Json>;
          custom_fields: NonNullable<Json>;
          deal_id: string | null;
          description: string | null;
          due_at: string | null;
          external_id: string | null;
          id: string;
          owner_id: string | null;
          priority: "low" | "normal" | "high" | "urgent";
          remind_at: string | null;
          source: string;
          status: string;
          tags: string[];
          title: string;
          type: string;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          assignee_id?: string | null;
          company_id?: string | null;
          completed_at?: string | null;
          contact_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          deal_id?: string | null;
          description?: string | null;
          due_at?: string | null;
          external_id?: string | null;
          id?: string | null;
          owner_id?: string | null;
          priority?: "low" | "normal" | "high" | "urgent" | null;
          remind_at?: string | null;
          source?: string | null;
          status?: string | null;
          tags?: string[] | null;
          title?: string | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Update: {
          assignee_id?: string | null;
          company_id?: string | null;
          completed_at?: string | null;
          contact_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          deal_id?: string | null;
          description?: string | null;
          due_at?: string | null;
          external_id?: string | null;
          id?: string | null;
          owner_id?: string | null;
          priority?: "low" | "normal" | "high" | "urgent" | null;
          remind_at?: string | null;
          source?: string | null;
          status?: string | null;
          tags?: string[] | null;
          title?: string | null;
          type?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          workspace_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "tasks_company_id_fkey";
            columns: ["workspace_id", "company_id"];
            isOneToOne: false;
            referencedRelation: "companies";
            referencedColumns: ["workspace_id", "id"];
          },
          {
            foreignKeyName: "tasks_contact_id_fkey";
            columns: ["workspace_id", "contact_id"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["workspace_id", "id"];
          },
          {
            foreignKeyName: "tasks_deal_id_fkey";
            columns: ["workspace_id", "deal_id"];
            isOneToOne: false;
            referencedRelation: "deals";
            referencedColumns: ["workspace_id", "id"];
          },
        ];
      };
      users: {
        Row: {
          created_at: string;
          email: string;
          id: string;
          name: string;
          role: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string | null;
          email?: string | null;
          id?: string | null;
          name?: string | null;
          role?: string | null;
        };
        Update: {
          created_at?: string | null;
          email?: string | null;
          id?: string | null;
          name?: string | null;
          role?: string | null;
        };
        Relationships: [];
      };
    };
    Functions: {
      advance_import: { Args: Record<string, unknown>; Returns: Json };
      advance_job: { Args: Record<string, unknown>; Returns: Json };
      cancel_import: { Args: Record<string, unknown>; Returns: Json };
      cancel_job: { Args: Record<string, unknown>; Returns: Json };
      claim_import: { Args: Record<string, unknown>; Returns: Json };
      claim_job: { Args: Record<string, unknown>; Returns: Json };
      create_import: { Args: Record<string, unknown>; Returns: Json };
      custom_fields_of: { Args: Record<string, unknown>; Returns: Json };
      deal_transitions: { Args: Record<string, unknown>; Returns: Json };
      export_records: { Args: Record<string, unknown>; Returns: unknown };
      fail_import: { Args: Record<string, unknown>; Returns: undefined };
      fail_job: { Args: Record<string, unknown>; Returns: undefined };
      find_api_key: { Args: { key_hash: string }; Returns: Json };
      find_memberships: { Args: { user_id: string }; Returns: Json };
      merged_into: { Args: Record<string, unknown>; Returns: Json };
      missing_import_part: { Args: Record<string, unknown>; Returns: number };
      put_import_part: { Args: Record<string, unknown>; Returns: Json };
      read_import: { Args: Record<string, unknown>; Returns: Json };
      read_import_rows: { Args: Record<string, unknown>; Returns: Json };
      read_import_text: { Args: Record<string, unknown>; Returns: unknown };
      read_phones: { Args: Record<string, unknown>; Returns: Json };
      read_records: { Args: Record<string, unknown>; Returns: Json };
      read_timeline: { Args: Record<string, unknown>; Returns: Json };
      release_import: { Args: Record<string, unknown>; Returns: undefined };
      release_job: { Args: Record<string, unknown>; Returns: undefined };
      require_live_key: { Args: Record<PropertyKey, never>; Returns: undefined };
      search_everything: { Args: Record<string, unknown>; Returns: Json };
      start_import: { Args: Record<string, unknown>; Returns: Json };
      summarize_deals: { Args: Record<string, unknown>; Returns: Json };
      write_records: { Args: Record<string, unknown>; Returns: Json };
    };
    Enums: {
      [_ in never]: never;
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "api">];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R;
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R;
      }
      ? R
      : never
    : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"] | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I;
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I;
      }
      ? I
      : never
    : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"] | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U;
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U;
      }
      ? U
      : never
    : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"] | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never;

export const Constants = {
  api: {
    Enums: {},
  },
} as const;
