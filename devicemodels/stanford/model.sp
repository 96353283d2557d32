* Stanford-PKU RRAM, one-dimensional gap. The state is x0 + v(u), pinned outside transients as in vteam; port x carries it.
* Exponents are combined before exp and the temperature is explicit: no trial voltage overflows. kt and e_a are in volts.
.subckt stanford p n x params: i0=0.2e-3 g0=0.15e-9 v_tun=0.35 v0=5e6 gamma_set=16.8 gamma_reset=20.1 beta_set=1.1
+ beta_reset=12.6 alpha=1.0 e_a=1.24 a0=0.25e-9 t_ox=6.7e-9 t0=300.0 r_th=500.0 gap_min=0.16e-9 gap_max=1.21e-9
+ f_min=0.0 x0=0.5 ramp=0.01 t_max=1500.0 z_max=40.0
.param span={gap_max-gap_min} speed={v0/2/(gap_max-gap_min)} low={-z_max} high={z_max} lever={a0/t_ox}
.param k_e={8.617333262145179e-5} gap_nm={gap_min*1e9} span_nm={(gap_max-gap_min)*1e9} g0_nm={g0*1e9}
.param f_ramp={0.01*max(f_min,1e-300)*t_ox} v_start={f_min*t_ox}
.func nm(s) {({gap_nm})+({span_nm})*max(0,min(1,s))}
.func lim(v) {max(({low}),min(({high}),v/({v_tun})))}
.func cell(v,s) {({i0})*exp(-nm(s)/({g0_nm}))*(sinh(lim(v))+cosh(lim(v))*(v/({v_tun})-lim(v)))}
.func kt(v,s) {({k_e})*min(({t_max}),({t0})+({r_th})*v*cell(v,s))}
.func gset(s) {max(0,({gamma_set})-({beta_set})*pow(nm(s),({alpha})))}
.func grst(s) {max(0,({gamma_reset})-({beta_reset})*pow(nm(s),({alpha})))}
.func jump(z,k) {exp(min(({high}),(z-({e_a}))/k))-exp(min(({high}),(-z-({e_a}))/k))}
.func open(gv) {({f_min}) > 0 ? max(0,min(1,(gv-({v_start}))/({f_ramp}))) : 1}
.func edge(room) {max(-1,min(1,room/({ramp})))}
.func move(gv,v,s,room) {({speed})*jump(({lever})*gv,kt(v,s))*open(abs(gv))*edge(room)}
Bcell p n i = cell(v(p,n),({x0})+v(u))
Bset 0 u i = time > 0 ? (v(p,n) > 0 ? -move(gset(({x0})+v(u))*v(p,n),v(p,n),({x0})+v(u),({x0})+v(u)) : 0) : 0
Brst 0 u i = time > 0 ? (v(p,n) < 0 ? -move(grst(({x0})+v(u))*v(p,n),v(p,n),({x0})+v(u),1-({x0})-v(u)) : 0) : 0
Cu u 0 1
Lu u 0 1e20
Bx 0 x i = ({x0})+v(u)
Rx x 0 1
.ends stanford
