"""The style of the page of an account: for screens wide and narrow, by day, by night, on paper."""

__all__ = ["STYLE"]

STYLE = """
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#16191d;--soft:#5b6470;--line:#e3e5e8;
--grid:#eceef0;--never:#dfe2e6;--onnever:#4a525c;--good:#0a6b4b;--goodbg:#e3f4ec;--bad:#a3161a;
--badbg:#fdeaea;--wait:#5b4a00;--waitbg:#fdf5d8;--add:#e4f5ea;--del:#fdecec;--code:#f5f6f7}
@media(prefers-color-scheme:dark){:root{--bg:#101215;--card:#17191d;--ink:#e9ecef;--soft:#9aa3ae;
--line:#2a2e34;--grid:#23272c;--never:#343a42;--onnever:#b5bdc7;--good:#6fd8ab;--goodbg:#123226;
--bad:#ff9a98;--badbg:#3c1717;--wait:#f2d675;--waitbg:#362d0c;--add:#12301f;--del:#3a1a1b;
--code:#1d2024}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 ui-sans-serif,system-ui,
-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 32px}
header{padding-top:56px}
.eyebrow{font-size:13px;font-weight:600;letter-spacing:.08em;text-transform:uppercase;
color:var(--soft);margin:0 0 10px}
h1{font-size:38px;line-height:1.15;letter-spacing:-.022em;font-weight:700;margin:0 0 14px;
max-width:22em;text-wrap:balance}
h2{font-size:22px;letter-spacing:-.012em;margin:0 0 4px;font-weight:650}
h3{font-size:15px;margin:26px 0 6px;font-weight:600}
p{margin:0 0 12px;max-width:46em}
.lead{color:var(--soft);font-size:16px;max-width:none;overflow-wrap:anywhere}
.hint{color:var(--soft);font-size:14.5px;margin-bottom:16px}
section{margin-top:56px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;
background:var(--line);border:1px solid var(--line);border-radius:12px;overflow:hidden;
margin:28px 0 0}
.tiles div{background:var(--card);padding:16px 18px}
.tiles dt{font-size:13px;color:var(--soft);margin:0}
.tiles dd{margin:3px 0 0;font-size:23px;line-height:1.2;font-weight:650;letter-spacing:-.02em;
white-space:nowrap}
.tiles small{display:block;white-space:normal;
font-size:13px;line-height:1.4;font-weight:400;color:var(--soft);
letter-spacing:0;margin-top:2px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14.5px}
caption{text-align:left;color:var(--soft);font-size:13.5px;padding-bottom:8px}
th,td{padding:9px 14px 9px 0;text-align:right;border-bottom:1px solid var(--line);
vertical-align:top;white-space:nowrap}
th{font-weight:600}thead th{color:var(--soft);font-size:13px;font-weight:500;vertical-align:bottom}
th:first-child,td:first-child,.l{text-align:left!important}
th:last-child,td:last-child{padding-right:0}
tbody th{font-weight:600}
.w{white-space:normal}
tr.inner th{font-weight:400;padding-left:18px}
.dense td,.dense th{padding-top:5px;padding-bottom:5px}
.chip{display:inline-block;min-width:22px;height:22px;line-height:22px;border-radius:6px;
text-align:center;font-size:12.5px;font-weight:650;background:var(--c);color:var(--on);
margin-right:9px;padding:0 5px}
.never{--c:var(--never);--on:var(--onnever)}
.mark{display:inline-block;font-size:13px;font-weight:600;border-radius:99px;padding:1px 10px}
.finished{color:var(--good);background:var(--goodbg)}
.failed{color:var(--bad);background:var(--badbg)}
.waiting,.unfinished{color:var(--wait);background:var(--waitbg)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 20px;padding:0;margin:0 0 14px;
font-size:14px}
.legend .chip{margin-right:7px}
.box{border:1px solid var(--line);background:var(--card);border-radius:12px;padding:18px 20px;
margin:0 0 16px}
.box h3:first-child{margin-top:0}.box .tight{margin-bottom:10px}
.notes{background:var(--waitbg);color:var(--wait);border:0}
.notes.bad{background:var(--badbg);color:var(--bad)}
.notes ul{margin:4px 0 0;padding-left:20px;overflow-wrap:anywhere}
svg{display:block;max-width:100%;height:auto;overflow:visible}
svg text{font-size:12px;fill:var(--ink)}
svg .axis{fill:var(--soft)}
svg .grid{stroke:var(--grid)}
svg .edge{stroke:var(--soft);stroke-dasharray:2 3;opacity:.6}
svg .line{fill:none;stroke:var(--c);stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
svg .second{stroke-width:1.6;stroke-dasharray:4 4}
svg .dot,svg .fill,svg .cell,svg .band{fill:var(--c)}
svg .layer{fill:var(--c);stroke:var(--card);stroke-width:.7}
svg .block{fill:none;stroke:var(--card);stroke-width:1.6}
svg .part{fill:var(--never);stroke:var(--card);stroke-width:1.6;opacity:.55}
svg .block{pointer-events:all}
svg text.on{fill:var(--on);font-weight:550;pointer-events:none}
svg text.n{text-anchor:middle;font-size:11.5px}
svg text.over{fill:var(--ink);font-weight:650}
svg g:hover>.layer,svg g:hover>.block{stroke:var(--ink);stroke-width:1.6}
.narrow{display:none}
.bar{display:inline-block;vertical-align:middle;height:9px;border-radius:2px;background:var(--c);
min-width:2px}
.meter{display:grid;grid-template-columns:minmax(0,1fr) 74px;gap:10px;align-items:center}
.meter{min-width:132px}.meter span{justify-self:end}
td.m{width:170px;padding-left:10px}
.zero{color:var(--soft)}
.split{display:flex;height:26px;border-radius:6px;overflow:hidden;margin:6px 0 8px}
.split i{background:var(--c);color:var(--on);font-style:normal;font-size:12.5px;line-height:26px;
padding-left:8px;overflow:hidden;white-space:nowrap;border-right:1.5px solid var(--card)}
.split i.idle{background-image:repeating-linear-gradient(-45deg,rgba(127,127,127,.28) 0 4px,
transparent 4px 9px)}
details{border:1px solid var(--line);border-radius:10px;margin:0 0 10px;background:var(--card)}
summary{cursor:pointer;padding:11px 16px;font-weight:600;font-size:15px}
summary small{font-weight:400;color:var(--soft);font-size:13.5px;margin-left:8px}
details details{margin:0 16px 14px;border-radius:8px}
pre{margin:0;padding:12px 16px;overflow-x:auto;font:12.5px/1.55 ui-monospace,SFMono-Regular,Menlo,
Consolas,"Liberation Mono",monospace;background:var(--code);border-top:1px solid var(--line);
border-radius:0 0 10px 10px}
pre span{display:block;min-height:1.55em}
pre .a{background:var(--add)}pre .d{background:var(--del)}pre .h{color:var(--soft)}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
overflow-wrap:anywhere}
footer{color:var(--soft);font-size:13.5px;padding-top:40px;padding-bottom:48px}
@media(max-width:720px){main,header,footer{padding:0 18px}header{padding-top:32px}
h1{font-size:28px}section{margin-top:44px}.wide{display:none}.narrow{display:block}
.box{padding:14px 14px}.tiles{grid-template-columns:1fr 1fr}.tiles dd{font-size:21px}
th,td{padding-right:12px}td.m{width:120px}}
.narrow svg{width:100%}
@media print{.wide{display:block!important}.narrow{display:none!important}
:root{--bg:#fff}body{font-size:11pt}main,header,footer{max-width:none;padding:0}
section{margin-top:28px}.box,table,svg,tr{break-inside:avoid}h2,h3{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}.scroll,pre{overflow:visible}
pre{white-space:pre-wrap}}
"""
