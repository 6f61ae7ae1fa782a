/* mail_text.c -- a row for each kind and language. Beside the kinds of schema/008_mail.sql and later ones. */
#include "services/membership/mail_text.h"

#include <stddef.h>
#include <string.h>

static const struct mail_text texts[] = {
    { "account_setup", "zh", "设置您的账户",
      "您好：\n\n学生组织管理系统已为您开通账户。请用下面的链接或口令设置密码：\n\n",
      "\n\n它只能使用一次，并会过期；过期后可重新申请。请勿转发给任何人。\n如果您没有等待这封邮件，不必理会。\n" },
    { "account_setup", "en", "Set up your account",
      "Hello,\n\nan account of the student organisations' system has been opened for you. Choose your password "
      "here:\n\n",
      "\n\nThis works once and expires; you can then ask for another. Do not pass it on to anyone.\nIf you did not "
      "expect "
      "this mail, there is nothing to do.\n" },
    { "password_reset", "zh", "重置密码",
      "您好：\n\n有人（可能是您本人）申请重置您的密码。请用下面的链接或口令设置新密码：\n\n",
      "\n\n它只能使用一次，并会过期。请勿转发给任何人。\n如果不是您本人申请，不必理会，您的密码不会改变。\n" },
    { "password_reset", "en", "Reset your password",
      "Hello,\n\nsomeone, probably you, has asked to reset your password. Choose a new one here:\n\n",
      "\n\nThis works once and expires. Do not pass it on to anyone.\nIf it was not you, there is nothing to do: your "
      "password stays as it is.\n" },
    { "password_changed", "zh", "您的密码已更改",
      "您好：\n\n您的账户密码刚刚被更改，其他登录已全部退出。\n如果不是您本人操作，请立即重置密码，并联系管理员。\n",
      NULL },
    { "password_changed", "en", "Your password was changed",
      "Hello,\n\nthe password of your account has just been changed, and all other sessions have ended.\nIf it was not "
      "you, "
      "reset your password at once and tell an administrator.\n",
      NULL },
    { "account_locked", "zh", "多次登录失败",
      "您好：\n\n您的账户近期有多次登录失败。您仍可登录，但尝试次数暂时受限。\n如果不是您本人操作，请更换密码并启用两步"
      "验证。\n",
      NULL },
    { "account_locked", "en", "Many failed sign-ins",
      "Hello,\n\nmany attempts to sign in to your account have failed. Attempts are limited for a while.\nIf it was "
      "not you, "
      "choose another password and turn on the second factor.\n",
      NULL },
    { "address_changed", "zh", "您的邮箱地址已更改",
      "您好：\n\n学生组织管理系统中您的邮箱已改为另一地址，今后的邮件将不再发到这里。\n如果您并未要求更改，请立即联系"
      "管理员。\n",
      NULL },
    { "address_changed", "en", "Your address was changed",
      "Hello,\n\nthe student organisations' system now holds another e-mail address of yours, and writes there from "
      "now "
      "on.\nIf you did not ask for this, tell an administrator at once.\n",
      NULL },
    { "application_decided", "zh", "您的申请已有结果", "您好：\n\n您的加入申请已有结果，请登录系统查看。\n", NULL },
    { "application_decided", "en", "Your application was decided",
      "Hello,\n\nyour application has been decided. Sign in to see how.\n", NULL },
    { "application_interview", "zh", "面试通知", "您好：\n\n您的加入申请已安排面试，请登录系统查看时间与地点。\n",
      NULL },
    { "application_interview", "en", "You are invited to an interview",
      "Hello,\n\nyou are invited to an interview about your application. Sign in to see when and where.\n", NULL },
    { "member_expelled", "zh", "您的成员关系已被终止", "您好：\n\n您的成员关系已被终止，请登录系统查看原因。\n", NULL },
    { "member_expelled", "en", "Your membership was ended",
      "Hello,\n\nyour membership of an organisation has been ended by its leaders. Sign in to see why.\n", NULL },
    { "office_appointed", "zh", "您已被任命", "您好：\n\n您已被任命担任职务，请登录系统查看职务、任期与权限。\n",
      NULL },
    { "office_appointed", "en", "You were appointed",
      "Hello,\n\nyou have been appointed to an office. Sign in to see which, for how long, and what you may do.\n",
      NULL },
};

const struct mail_text *mail_text_find(const char *kind, const char *locale)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].kind, kind) == 0 && strcmp(texts[i].locale, locale) == 0)
            return &texts[i];
    return NULL;
}
