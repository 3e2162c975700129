package simulate

import (
	"fmt"
	"strconv"
)

// Everybody and everything here is made up. Phone numbers are of a form that
// is not given out, addresses are below example.test.

var (
	surnames   = []string{"赵", "钱", "孙", "李", "周", "吴", "郑", "王", "冯", "陈", "褚", "卫", "蒋", "沈", "韩", "杨", "欧阳", "司马"}
	givenNames = []string{"伟", "芳", "娜", "敏", "静", "磊", "洋", "勇", "艳", "杰", "子涵", "浩然", "梓萱", "雨桐", "思远", "嘉怡", "晓明", "志强", "文博", "若曦"}
	staffNames = []string{"林晓岚", "何志远", "罗佳宁", "梁宇航", "宋雨薇", "唐文杰", "许婉清", "邓立群"}

	cities    = []string{"上海", "北京", "深圳", "广州", "杭州", "成都", "苏州", "武汉"}
	brands    = []string{"星河", "云启", "青禾", "远山", "知行", "蓝鲸", "木棉", "极光", "北斗星", "拾光"}
	trades    = []string{"科技", "医疗器械", "教育", "供应链", "新能源", "智能制造", "文化传媒"}
	titles    = []string{"市场总监", "采购经理", "信息部主管", "总经理", "运营专员", "首席技术官", "行政主任"}
	divisions = []string{"市场部", "采购部", "信息技术部", "总经办", "运营中心", "人力资源部"}

	businessNames = []string{"企业客户", "渠道合作", "教育行业", "线下活动"}

	industries = []coded{{code: "manufacturing", label: "制造业"}, {code: "education", label: "教育"}, {code: "healthcare", label: "医疗健康"},
		{code: "retail", label: "零售"}, {code: "internet", label: "互联网"}, {code: "finance", label: "金融"}}
	countries = []coded{{code: "CN", label: "中国"}, {code: "CN-31", label: "中国/上海"}, {code: "CN-44", label: "中国/广东"}, {code: "SG", label: "新加坡"}}
	channels  = []coded{{code: "website", label: "官网"}, {code: "wechat", label: "微信公众号"}, {code: "baidu_sem", label: "百度推广"},
		{code: "exhibition", label: "展会"}, {code: "webinar", label: "直播"}, {code: "referral", label: "客户推荐"}}

	notes = []string{
		"电话沟通，客户对产品很感兴趣，约定下周二演示。",
		"已加企业微信，客户在比较三家供应商。\n重点关注：价格、实施周期、售后。",
		"未接通，明天上午再联系。",
		"客户说\"预算还在审批\"，月底前给答复。",
		"发送了报价单与案例集 (V2.3)，等待反馈👍",
		"线上演示完成，参会 5 人；需要补充接口文档与安全白皮书。",
		"拜访客户现场，决策人为信息部主管，计划下季度上线。",
		"客户暂无需求，放入长期培育。",
	}

	logins = []login{
		{"jing", "", "jingmodule", "", "pc"},
		{"member_center", "wx90000000000000aa", "wechat", "会员中心", "mobile"},
		{"jingsocial", "ww90000000000000bb", "workwechat_user", "企业微信", "mobile"},
	}
)

var (
	stages = []coded{
		{code: "baby_lead", label: "初始线索"},
		{code: "market_qualified_lead", label: "市场合格线索"},
		{code: "sales_qualified_lead", label: "销售合格线索"},
		{code: "opportunity", label: "商机"},
		won,
	}
	won  = coded{code: "won", label: "成交"}
	lost = coded{code: Lost, label: "已流失"}

	marketPool = coded{code: "market", label: "市场公海"}
	salesPool  = coded{code: "sales", label: "销售公海"}
	keyPool    = coded{code: "key_account", label: "大客户公海"}

	statuses = []coded{
		{code: "sT4hZkq9PmWbVcx3RyuN8a", label: "待跟进"},
		{code: "sB7eJdw2LnXfGtz5HsvK6c", label: "跟进中"},
		{code: "sQ3mUgy8CrYpDjx4AonE9f", label: "已约见"},
		{code: "sK6tRba5ZvHwMgs7TidF2h", label: "无法接通"},
		{code: "sW9xNcp4SkJqLeu2BymG7j", label: "暂缓跟进"},
	}
)

// Stages returns the codes of the lifecycle's stages, from the first to won
// and lost.
func Stages() []string {
	var codes []string
	for _, s := range stages {
		codes = append(codes, s.code)
	}
	return append(codes, Lost)
}

// Lost is the code of the stage of a lead that was lost.
const Lost = "lost"

func (t *Tenant) personName() string { return pick(t.rng, surnames) + pick(t.rng, givenNames) }

func (t *Tenant) company() string {
	return pick(t.rng, cities) + pick(t.rng, brands) + pick(t.rng, trades) + "有限公司"
}

func (t *Tenant) mobile() string { return fmt.Sprintf("1990000%04d", t.rng.IntN(10000)) }

func (t *Tenant) email() string {
	return "user" + strconv.Itoa(1000+t.rng.IntN(90000)) + "@mail.example.test"
}

func plain(s string) coded { return coded{code: s} }

// edits makes up changes of one to three fields that are no dimensions, also
// of custom ones.
func (t *Tenant) edits() []change {
	budget := strconv.Itoa(10000 * (1 + t.rng.IntN(80)))
	all := []change{
		{"mobile", plain(t.mobile()), plain(t.mobile())},
		{"email", coded{}, plain(t.email())},
		{"title", coded{}, plain(pick(t.rng, titles))},
		{"industry", pick(t.rng, industries), pick(t.rng, industries)},
		{"company_id", plain(t.company()), plain(t.company())},
		{"department", plain(pick(t.rng, divisions)), coded{}},
		{"custom_budget", coded{}, coded{code: budget, label: budget + " 元", raw: true}},
		{"custom_interests", coded{code: `["crm"]`, label: "客户管理", raw: true},
			coded{code: `["crm","scrm"]`, label: "客户管理,社交客户管理", raw: true}},
		{"custom_agreed", coded{code: "false", label: "否", raw: true}, coded{code: "true", label: "是", raw: true}},
	}
	t.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+t.rng.IntN(3)]
}

// member returns somebody of the staff as an operator, at work.
func (m member) operator(t *Tenant) operator {
	l := pick(t.rng, logins)
	if l.platform == "jing" {
		return operator{kind: 1, number: m.number, login: l}
	}
	return operator{kind: 2, number: m.number, user: m.user, login: l}
}

func (t *Tenant) somebody() operator { return pick(t.rng, t.staff).operator(t) }
