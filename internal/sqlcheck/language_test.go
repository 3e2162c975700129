package sqlcheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-googlesql"
)

// missing are features of GoogleSQL's that BigQuery does not have, or has
// only since recently and undocumented, as far as a statement of ours could
// come upon them.
var missing = []googlesql.LanguageFeature{
	googlesql.LanguageFeatureFeatureAggregateFiltering, // COUNT(*) FILTER (WHERE …): write COUNTIF
	googlesql.LanguageFeatureFeatureArrayAggregationFunctions,
	googlesql.LanguageFeatureFeatureArrayEquality,
	googlesql.LanguageFeatureFeatureArrayOrdering,
	googlesql.LanguageFeatureFeatureConcatMixedTypes,
	googlesql.LanguageFeatureFeatureForUpdate,
	googlesql.LanguageFeatureFeatureGroupByArray,
	googlesql.LanguageFeatureFeatureInsertOnConflictClause,
	googlesql.LanguageFeatureFeatureJsonTypeComparison,
	googlesql.LanguageFeatureFeatureLimitOffsetExpressions,
	googlesql.LanguageFeatureFeatureMultilevelAggregation,
	googlesql.LanguageFeatureFeatureSingleTableNameArrayPath,
	googlesql.LanguageFeatureFeatureTimestampNanos,
	googlesql.LanguageFeatureFeatureTimestampPicos,
	googlesql.LanguageFeatureFeatureTypeofFunction,
	googlesql.LanguageFeatureFeatureV13DmlReturning,
	googlesql.LanguageFeatureFeatureV14FirstAndLastN,
	googlesql.LanguageFeatureFeatureV14LateralJoin,
	googlesql.LanguageFeatureFeatureV14MultiwayUnnest,
	googlesql.LanguageFeatureFeatureV14UuidType,
}

// speakBigQuery sets the language to BigQuery's.
func speakBigQuery(l *googlesql.LanguageOptions) {
	check(l.EnableMaximumLanguageFeatures())
	// BigQuery has these, though to GoogleSQL they are still in development.
	check(l.EnableLanguageFeature(googlesql.LanguageFeatureFeatureCreateViewsWithColumnOptions))
	check(l.EnableLanguageFeature(googlesql.LanguageFeatureFeatureAlterColumnSetDataType))
	for _, feature := range missing {
		check(l.DisableLanguageFeature(feature))
	}
	check(l.SetSupportsAllStatementKinds())
	check(l.SetProductMode(googlesql.ProductModeProductExternal)) // the names of types
	check(l.SetNameResolutionMode(googlesql.NameResolutionModeNameResolutionDefault))
	check(l.EnableAllReservableKeywords(true)) // QUALIFY is one, as in BigQuery
}

// addByFunctions adds MAX_BY and MIN_BY, which GoogleSQL leaves to its users.
func (a *analyzer) addByFunctions() {
	ordered := must(must(googlesql.NewFunctionArgumentTypeOptions()).SetMustSupportOrdering(true))
	first := googlesql.SignatureArgumentKindArgTypeAny1
	value := must(googlesql.NewFunctionArgumentType4(first, 1))
	order := must(googlesql.NewFunctionArgumentType5(googlesql.SignatureArgumentKindArgTypeAny2, ordered, 1))
	result := must(googlesql.NewFunctionArgumentType4(first, 1))
	a.held = append(a.held, ordered, value, order, result)
	for _, name := range []string{"max_by", "min_by"} {
		signature := must(googlesql.NewFunctionSignature3(result, []*googlesql.FunctionArgumentType{value, order}, 0))
		function := must(googlesql.NewFunction4(name, "", googlesql.FunctionEnums_ModeAggregate, []*googlesql.FunctionSignature{signature}))
		check(a.catalog.AddFunction(function))
		a.held = append(a.held, signature, function)
	}
}

// functions are those of BigQuery's reference that a statement of ours may
// well use. GoogleSQL knows more than BigQuery has: look a new one up there
// before it is added here.
var functions = strings.Fields(`
	any_value approx_count_distinct approx_quantiles approx_top_count array_agg array_concat_agg avg bit_and bit_or
	bit_xor count countif logical_and logical_or max max_by min min_by string_agg sum stddev stddev_pop stddev_samp
	var_pop var_samp variance corr covar_pop covar_samp grouping

	cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank percentile_cont
	percentile_disc rank row_number

	array array_concat array_first array_last array_length array_reverse array_slice array_to_string
	generate_array generate_date_array generate_timestamp_array

	coalesce if ifnull nullif greatest least nullifzero zeroifnull

	current_date current_datetime current_time current_timestamp date date_add date_diff date_from_unix_date
	date_sub date_trunc datetime datetime_add datetime_diff datetime_sub datetime_trunc extract format_date
	format_datetime format_timestamp last_day parse_date parse_datetime parse_timestamp string timestamp
	timestamp_add timestamp_diff timestamp_micros timestamp_millis timestamp_seconds timestamp_sub
	timestamp_trunc unix_date unix_micros unix_millis unix_seconds make_interval

	ascii byte_length char_length character_length chr code_points_to_bytes code_points_to_string concat
	contains_substr edit_distance ends_with format from_base32 from_base64 from_hex initcap instr left length
	lower lpad ltrim normalize normalize_and_casefold octet_length regexp_contains regexp_extract
	regexp_extract_all regexp_instr regexp_replace repeat replace reverse right rpad rtrim
	safe_convert_bytes_to_string soundex split starts_with
	strpos substr substring to_base32 to_base64 to_code_points to_hex translate trim unicode upper

	abs acos asin atan atan2 bit_count ceil ceiling cos div exp floor ieee_divide is_inf is_nan ln log log10 mod
	pow power rand range_bucket round safe_add safe_divide safe_multiply safe_negate safe_subtract sign sin sqrt
	tan trunc

	bool float64 int64 json_array json_extract json_extract_array json_extract_scalar json_extract_string_array
	json_keys json_object json_query json_query_array json_remove json_set json_strip_nulls json_type json_value
	json_value_array lax_bool lax_float64 lax_int64 lax_string parse_json to_json to_json_string

	farm_fingerprint md5 sha1 sha256 sha512 error generate_uuid session_user`)

// foreign returns an error that names the functions in the statement that are
// not among functions. Operators begin with a dollar sign.
func foreign(s googlesql.ResolvedStatementNode) error {
	var list []string
	walk(s, func(n googlesql.ResolvedNode) {
		call, ok := n.(interface {
			Function() (*googlesql.Function, error)
		})
		if !ok {
			return
		}
		name := strings.ToLower(must(must(call.Function()).Name()))
		if !strings.HasPrefix(name, "$") && !slices.Contains(functions, name) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	})
	if list == nil {
		return nil
	}
	return fmt.Errorf("not known to be functions of BigQuery: %s", strings.Join(list, ", "))
}
